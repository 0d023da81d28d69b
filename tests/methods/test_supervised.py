"""Supervised training: whom it learns from, whom it leaves alone, and what it minimises."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fakes import FakeCollection, noise, tiny_learner, tiny_options
from lookalike import api
from lookalike.core.comm import Comm
from lookalike.core.errors import LookalikeError
from lookalike.data.base import Images
from lookalike.engine.step import Part
from lookalike.engine.views import Views
from lookalike.methods import supervised


def run_options(out: Path, **said: object) -> supervised.Options:
    small = {"epochs": 1, "batch_size": 64, "micro_batch": "64", "image_size": None, **said}
    return tiny_options("supervised", data="digits", out=str(out), threads=1, **small)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[torch.Tensor]]:
    """`rows` of the data set that training looks at from here on, and their `targets`."""
    found: dict[str, list[torch.Tensor]] = {"rows": [], "targets": []}
    parts, loss = Views.parts, supervised.Supervised.loss

    def viewing(self: Views, epoch: int, index_B: torch.Tensor, *images: int | None) -> list[Part]:
        found["rows"].append(index_B)
        return parts(self, epoch, index_B, *images)

    def losing(self: supervised.Supervised, z_BVP: torch.Tensor, targets_BH: torch.Tensor, comm: Comm) -> torch.Tensor:
        found["targets"].append(targets_BH[:, 0])
        return loss(self, z_BVP, targets_BH, comm)

    monkeypatch.setattr(Views, "parts", viewing)
    monkeypatch.setattr(supervised.Supervised, "loss", losing)
    return found


def digits(n: int = 300, **changes: object) -> Images:
    images = api.load_images("digits")
    assert images.labels is not None
    few = dataclasses.replace(images, pixels=images.pixels[:n], paths=images.paths[:n], labels=images.labels[:n])
    return dataclasses.replace(few, **changes)


def test_images_that_evaluation_holds_out_are_not_trained_on(tmp_path: Path, used: dict):
    images = digits()
    learn, test = images.evaluation
    api.train("supervised", run_options(tmp_path / "run", epochs=4), images=images)
    rows, targets = torch.cat(used["rows"]), torch.cat(used["targets"])
    assert set(rows.tolist()) == set(learn.tolist())
    assert not set(rows.tolist()) & set(test.tolist())
    assert torch.equal(targets, images.labels[rows])


def test_a_test_split_of_the_data_s_own_is_not_trained_on(tmp_path: Path, used: dict):
    images = digits(split=("train", "test", "train") * 100)
    api.train("supervised", run_options(tmp_path / "run", epochs=4), images=images)
    rows = torch.cat(used["rows"])
    assert {images.split[row] for row in rows.tolist()} == {"train"}
    assert len(set(rows.tolist())) == 200


def test_images_without_a_label_are_not_trained_on(tmp_path: Path, used: dict):
    labels = digits().labels.clone()
    labels[::3] = -1
    images = digits(labels=labels)
    api.train("supervised", run_options(tmp_path / "run", epochs=4), images=images)
    assert (images.labels[torch.cat(used["rows"])] >= 0).all()
    assert min(torch.cat(used["targets"]).tolist()) == 0


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"labels": None, "classes": ()}, "no labels"),
        ({"labels": torch.zeros(300, dtype=torch.int64), "classes": ("one",)}, "labels of 1 class"),
    ],
)
def test_without_labels_one_message_comes_before_any_training(tmp_path: Path, changes: dict, found: str):
    with pytest.raises(LookalikeError, match=f"digits has {found}, and this method learns from labels"):
        api.train("supervised", run_options(tmp_path / "run"), images=digits(**changes))
    assert not (tmp_path / "run").exists()


def test_the_plan_is_every_image_once_with_its_label():
    learner = tiny_learner("supervised", 40)
    data = FakeCollection(learner, 40)
    plan = learner.plan(0, data)
    assert sorted(plan.order_M.tolist()) == list(range(40))
    assert torch.equal(plan.targets_NH[:, 0], data.labels_N)
    assert data.calls == []


def test_chance_is_the_log_of_the_classes():
    learner = tiny_learner("supervised", classes=10)
    assert learner.chance_loss(64) == pytest.approx(2.302585093)
    z_BVP = torch.zeros(4, 1, 10)
    assert float(learner.loss(z_BVP, torch.tensor([[0], [3], [9], [1]]))) == pytest.approx(math.log(10))


def test_the_loss_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    z_BVP = torch.randn(7, 1, 5, dtype=torch.float64, generator=generator)
    targets = torch.tensor([0, 1, 2, 3, 4, 0, 0])
    for smoothing in (0.0, 0.1):
        learner = tiny_learner("supervised", label_smoothing=smoothing)
        expected = F.cross_entropy(z_BVP[:, 0], targets, label_smoothing=smoothing)
        torch.testing.assert_close(learner.loss(z_BVP, targets[:, None]), expected, rtol=1e-12, atol=0)


def test_smoothing_does_not_let_certainty_pay():
    certain = 50 * torch.eye(5)[:, None]
    targets = torch.arange(5)[:, None]
    assert float(tiny_learner("supervised").loss(certain, targets)) < 1e-6
    assert float(tiny_learner("supervised", label_smoothing=0.1).loss(certain, targets)) > 1


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_smoothing_that_cannot_be_is_named(value: float):
    (complaint,) = supervised.Options(label_smoothing=value).problems()
    assert complaint == f"--label-smoothing must be in [0, 1), got {value}"


def test_a_projection_is_one_number_a_class():
    assert tiny_learner("supervised", classes=7)(noise(3, seed=0)).shape == (3, 7)


def test_evaluation_says_that_labels_were_seen(tmp_path: Path):
    run = api.train("supervised", run_options(tmp_path / "run"))
    protocol = api.evaluate(run, threads=1)["protocol"]
    assert protocol["training_saw"] == "the learning rows and their labels"
