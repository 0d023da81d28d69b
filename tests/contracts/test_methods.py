"""What every method promises; a new file in the methods room is covered as soon as it exists.

That it learns is shown by tests/end_to_end/test_learning.py, and that it trains in both precisions by
tests/engine/test_precision.py.
"""

import dataclasses
import os
import signal
from pathlib import Path

import pytest
import torch

from fakes import FakeCollection, noise, tiny_learner, tiny_options
from lookalike import api
from lookalike.cli.main import main
from lookalike.core import registry
from lookalike.core.errors import Interrupted
from lookalike.core.options import flag
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.loop import Trainer

METHODS = registry.names("methods")


@pytest.mark.parametrize("name", METHODS)
def test_permuting_the_batch_changes_nothing(name: str):
    learner = tiny_learner(name)
    x_BVCHW = noise(8 * learner.views, seed=3).unflatten(0, (8, learner.views))
    plan = learner.plan(0, FakeCollection(learner))
    rows = plan.order_M[:8]

    def loss(order: torch.Tensor) -> torch.Tensor:
        z = learner.embed(x_BVCHW[order].flatten(0, 1)).unflatten(0, (8, learner.views))
        return learner.loss(z, plan.targets_NH[rows[order]])

    straight = loss(torch.arange(8))
    shuffled = loss(torch.tensor([3, 1, 7, 0, 6, 2, 5, 4]))
    torch.testing.assert_close(straight, shuffled, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", METHODS)
def test_the_plan_is_a_function_of_seed_and_epoch(name: str):
    one, two = tiny_learner(name, 100), tiny_learner(name, 100)
    first = one.plan(0, FakeCollection(one, 100))
    torch.rand(3)  # the global generator has no say
    again = two.plan(0, FakeCollection(two, 100))
    assert torch.equal(first.order_M, again.order_M)
    assert torch.equal(first.targets_NH, again.targets_NH)
    assert not torch.equal(first.order_M, one.plan(1, FakeCollection(one, 100)).order_M)


@pytest.mark.parametrize("name", METHODS)
def test_the_plan_is_about_all_images(name: str):
    learner = tiny_learner(name, 100)
    plan = learner.plan(0, FakeCollection(learner, 100))
    assert plan.order_M.dtype == plan.targets_NH.dtype == torch.int64
    assert plan.order_M.shape == (100,)
    assert plan.targets_NH.shape[0] == 100
    assert plan.targets_NH.ndim == 2
    if getattr(learner.options, "balanced", False):  # drawn by clusters, a row may come twice or never
        assert 0 <= plan.order_M.min() <= plan.order_M.max() < 100
    else:
        assert sorted(plan.order_M.tolist()) == list(range(100))


@pytest.mark.parametrize("name", METHODS)
def test_planning_leaves_the_network_as_it_was(name: str):
    learner = tiny_learner(name)
    learner.plan(0, FakeCollection(learner))
    before = {key: value.clone() for key, value in learner.encoder.state_dict().items()}
    plan = learner.plan(1, FakeCollection(learner))
    assert all(torch.equal(value, before[key]) for key, value in learner.encoder.state_dict().items())
    assert set(plan.renewed) <= {key for key, _ in learner.named_parameters()}
    assert all(p.grad is None for p in learner.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_learns(name: str):
    learner = tiny_learner(name)
    plan = learner.plan(0, FakeCollection(learner))
    z_BVP = learner.embed(noise(8 * learner.views, seed=3)).unflatten(0, (8, learner.views))
    learner.loss(z_BVP, plan.targets_NH[:8]).backward()
    still = [key for key, p in learner.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


@pytest.mark.parametrize("name", METHODS)
def test_every_option_is_in_the_help(name: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["train", name, "--help"])
    shown = capsys.readouterr().out
    kind = registry.find("methods", name, "method").Options
    assert all(flag(f.name) in shown for f in dataclasses.fields(kind) if f.name != "data")


def short_options(name: str, out: Path):
    """Two epochs of several batches on digits."""
    return tiny_options(
        name, data="digits", out=str(out), epochs=2, batch_size=256, image_size=None, norm="batch", threads=1
    )


@pytest.mark.parametrize("name", METHODS)
def test_interrupted_and_resumed_equals_uninterrupted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    straight = api.train(name, short_options(name, tmp_path / "straight"))
    step = Trainer._step

    def stepping(self: Trainer, epoch: int, k: int) -> None:
        step(self, epoch, k)
        if epoch == 1 and k == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_step", stepping)
    with pytest.raises(Interrupted):
        api.train(name, short_options(name, tmp_path / "stopped"))
    monkeypatch.undo()
    resumed = api.train(name, short_options(name, tmp_path / "stopped"))
    a, b = load_checkpoint(straight.checkpoint), load_checkpoint(resumed.checkpoint)
    assert all(torch.equal(tensor, b["method"][key]) for key, tensor in a["method"].items())


@pytest.mark.parametrize("name", METHODS)
def test_labels_change_what_is_learned_only_where_a_method_declares_it(name: str, tmp_path: Path):
    images = api.load_images("digits")
    assert images.labels is not None
    others = dataclasses.replace(images, labels=images.labels.roll(1))
    states = []
    for folder, data in (("one", images), ("two", others)):
        options = dataclasses.replace(short_options(name, tmp_path / folder), max_steps=3)
        states.append(load_checkpoint(api.train(name, options, images=data).checkpoint)["method"])
    same = all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert same is not registry.find("methods", name, "method").Learner.needs_labels


@pytest.mark.parametrize(
    ("images", "chance"), [(2, 1.0986123), (512, 6.9304948), (4096, 9.0107913), (65536, 11.7834944)]
)
def test_simclr_draws_the_chance_level_of_its_batch(images: int, chance: float):
    assert tiny_learner("simclr").chance_loss(images) == pytest.approx(chance, abs=1e-7)
