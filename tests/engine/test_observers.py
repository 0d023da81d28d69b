"""What a training tells its observers, and that nothing they do changes what is learned."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from fakes import tiny_options
from lookalike import api
from lookalike.core.comm import SINGLE, Comm
from lookalike.data.base import Images
from lookalike.data.loading import load
from lookalike.engine.events import EpochEnd, NotFinite, Observer, PlanMade, StepEnd, TrainStart
from lookalike.engine.loop import Trainer
from lookalike.engine.losses import Losses
from lookalike.engine.messages import Facts
from lookalike.engine.saving import Checkpoint
from lookalike.engine.trial_run import TrialRun
from lookalike.methods.find import find_method
from lookalike.runs.folder import RunFolder

EPOCHS, BATCHES = 2, 3


@pytest.fixture(scope="module")
def images() -> Images:
    found = load("digits")
    return found.of_rows(found.training[: 64 * BATCHES + 7])


def trainer(images: Images, **said: object) -> Trainer:
    options = tiny_options("simclr", batch_size=64, epochs=EPOCHS, threads=1, lr=0.1, precision="float32", **said)
    backbone = api.untrained_backbone(options, images, "cpu")
    learner = find_method("simclr")(backbone.encoder, options, len(images.training))
    return Trainer(learner, backbone, options, images, images.training)


class Told(Observer):
    """Keeps what it is told; ends the training after `end_after` steps or epochs."""

    def __init__(self, step: int | None = None, epoch: int | None = None) -> None:
        self.step, self.epoch = step, epoch
        self.all: list[TrainStart | PlanMade | StepEnd | EpochEnd | str] = []

    @contextmanager
    def during(self, start: TrainStart) -> Iterator[None]:
        self.all.append(start)
        yield
        self.all.append("end")

    def on_plan(self, made: PlanMade) -> None:
        self.all.append(made)

    def on_step_end(self, end: StepEnd) -> bool:
        self.all.append(end)
        return end.step == self.step

    def on_epoch_end(self, end: EpochEnd) -> bool:
        self.all.append(end)
        return end.epoch == self.epoch


def weights(of: Trainer) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in of.method.state_dict().values()]


def test_they_are_told_of_plans_steps_and_epochs_in_order(images: Images):
    made, told = trainer(images), Told()
    made.observers = (told,)
    made.fit()
    epoch = ["PlanMade", *["StepEnd"] * BATCHES, "EpochEnd"]
    assert [type(event).__name__ for event in told.all] == ["TrainStart", *epoch * EPOCHS, "str"]
    steps = [event for event in told.all if isinstance(event, StepEnd)]
    assert [event.step for event in steps] == list(range(1, EPOCHS * BATCHES + 1))
    assert [event.last for event in steps] == [False, False, True] * EPOCHS
    assert steps[-1].progress == 1 and math.isfinite(steps[-1].loss)
    ends = [event for event in told.all if isinstance(event, EpochEnd)]
    assert [(event.last, event.early) for event in ends] == [(False, False), (True, False)]
    losses = [event.loss for event in steps[:BATCHES]]
    assert ends[0].loss == pytest.approx(sum(losses) / BATCHES)


def test_without_observers_the_same_is_learned(images: Images):
    watched, alone = trainer(images), trainer(images)
    watched.observers = (Told(), Told())
    watched.fit()
    alone.fit()
    assert all(torch.equal(a, b) for a, b in zip(weights(watched), weights(alone), strict=True))


def test_every_observer_is_told_though_the_first_one_ends_it(images: Images):
    made, first, second = trainer(images), Told(step=2), Told()
    made.observers = (first, second)
    made.fit()
    assert made.step == 2 and made.ended
    assert [event for event in first.all if event != "end"][1:] == [e for e in second.all if e != "end"][1:]
    assert isinstance(second.all[-2], EpochEnd) and second.all[-2].early and second.all[-2].last


def test_what_ends_at_the_end_of_an_epoch_is_not_early_in_it(images: Images):
    made, told = trainer(images), Told(epoch=0)
    made.observers = (told,)
    made.fit()
    assert made.step == BATCHES and made.ended
    assert isinstance(told.all[-2], EpochEnd) and not told.all[-2].early


def test_a_state_in_the_middle_of_an_epoch_is_gone_on_with_to_the_bit(images: Images, tmp_path):
    straight, first, second = trainer(images), trainer(images), trainer(images)
    straight.fit()
    kept: list[dict] = []

    class Keeps(Observer):
        def on_step_end(self, end: StepEnd) -> bool:
            if end.step == BATCHES + 1:
                kept.append(copy.deepcopy(end.state()))
                return True
            return False

    first.observers = (Keeps(),)
    first.fit()
    second.load(kept[0], tmp_path / "last.pt")
    assert second.step == BATCHES + 1 and second.plan is not None
    second.fit(resumed=True)
    assert all(torch.equal(a, b) for a, b in zip(weights(straight), weights(second), strict=True))


def test_a_trial_leaves_what_it_is_given_as_it_is(images: Images):
    made = trainer(images)
    before, calls = weights(made), []
    trial = TrialRun(made.method, made.backbone, made.options, images, images.training)
    trial.run_silently(lambda: calls.append(trial.trainer.step))
    assert calls == list(range(1, EPOCHS * BATCHES + 1))
    assert all(torch.equal(a, b) for a, b in zip(weights(made), before, strict=True))
    made.fit()
    assert all(torch.equal(a, b) for a, b in zip(weights(made), weights(trial.trainer), strict=True))


@pytest.mark.parametrize("brief", [False, True])
def test_processes_save_together_as_the_first_one_s_clock_says(brief: bool, tmp_path: Path):
    comm, saved = Comm(), []
    comm.rank, comm.size = 1, 2
    comm.objects = lambda value: [brief, value]  # the first one's word comes first
    options = tiny_options("simclr")
    checkpoint = Checkpoint(RunFolder(tmp_path), Facts(options, (1, 8, 8), 8, 1, 1, True, None, "cpu", 2), comm)
    checkpoint.saved_at = -math.inf if brief else math.inf  # of this one, which says otherwise
    said = {"epoch": 0, "step": 1, "total": 9, "progress": 0.1, "images_per_s": 1.0, "seconds_left": 9.0, "loss": 1.0}
    said |= {"last": False, "early": False, "lr": 0.1, "targets_NH": None, "state": lambda: saved.append(1) or {}}
    checkpoint.on_epoch_end(EpochEnd(**said))
    assert saved == ([] if brief else [1])


def test_a_loss_that_is_no_number_ends_a_trial_with_its_step(images: Images):
    made = trainer(images)
    made.method.head[0].weight.data.fill_(torch.inf)
    with pytest.raises(NotFinite, match="the loss became nan at step 0"):
        made.fit()


def test_losses_are_added_up_until_they_are_no_numbers():
    losses = Losses(SINGLE)
    assert math.isnan(losses.newest) and losses.mean == 0
    for value in (1.0, 3.0):
        assert losses.add(torch.tensor(value)) is None
    assert (losses.mean, losses.count, losses.newest) == (2.0, 2, 3.0)
    bad = losses.add(torch.tensor(torch.inf))
    assert bad == math.inf
    assert losses.mean == 2.0  # of those before
    losses.reset()
    assert (losses.mean, losses.count, losses.newest) == (0.0, 0, 3.0)
