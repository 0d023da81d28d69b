"""DeepCluster: when it clusters, what it clusters, what it trains on, and what starts anew with it."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fakes import FakeCollection, configured, noise, tiny_learner, tiny_options
from lookalike import api
from lookalike.clustering.clustering_metrics import nmi
from lookalike.clustering.lloyd import Clustering
from lookalike.core.errors import ConfigurationError
from lookalike.engine.collection import TrainingImages
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.loop import Trainer
from lookalike.methods import deepcluster


def grouped(labels: list[int], k: int) -> Clustering:
    """A clustering that found these groups."""
    labels_N = torch.tensor(labels)
    return Clustering(torch.zeros(k, 2), labels_N, 0.0, 1, 0, torch.bincount(labels_N, minlength=k))


def found(monkeypatch: pytest.MonkeyPatch, *labels: list[int]) -> list[torch.Tensor]:
    """Let k-means find these labels, one list a call; returns the list of what it was given."""
    given, left = [], list(labels)

    def lloyd(x_ND: torch.Tensor, k: int, **_: object) -> Clustering:
        given.append(x_ND)
        return grouped(left.pop(0), k)

    monkeypatch.setattr(deepcluster, "lloyd", lloyd)
    return given


def test_it_clusters_every_so_many_epochs():
    learner = tiny_learner("deepcluster", every=3)
    data = FakeCollection(learner)
    notes = [len(learner.plan(epoch, data).notes) for epoch in range(7)]
    assert notes == [1, 0, 0, 1, 0, 0, 1]
    assert len(data.calls) == 3


def test_the_head_starts_anew_at_each_clustering_and_only_then():
    learner = tiny_learner("deepcluster", every=2)
    data = FakeCollection(learner)
    heads = []
    for epoch in range(4):
        plan = learner.plan(epoch, data)
        assert plan.reset_params == (("head.weight", "head.bias") if epoch % 2 == 0 else ())
        heads.append(learner.head.weight.detach().clone())
        if plan.reset_params:
            assert not learner.head.bias.any()
        with torch.no_grad():
            learner.head.weight += 1  # what an epoch of training would do
            learner.head.bias += 1
    assert torch.equal(heads[1], heads[0] + 1)
    assert torch.equal(heads[3], heads[2] + 1)
    assert not torch.equal(heads[2], heads[0])
    assert all(0.005 < float(heads[i].std()) < 0.02 and abs(float(heads[i].mean())) < 0.005 for i in (0, 2))


def test_features_are_those_of_the_encoder_un_augmented_in_eval_mode_and_in_order(monkeypatch: pytest.MonkeyPatch):
    given = found(monkeypatch, [0, 1] * 20)
    images = api.load_images("digits")
    options = configured(
        tiny_options("deepcluster", norm="batch", image_size=None, pca=8, n_clusters=2, precision="float32"),
        "deepcluster", {"norm", "width", "pca", "n_clusters", "precision"}, images, torch.arange(40),
    )  # fmt: skip
    backbone = api.untrained_backbone(options, images, "cpu")
    learner = deepcluster.DeepCluster(backbone.encoder, options, 40).train()
    rows = torch.arange(100, 180, 2)
    trainer = Trainer(learner, backbone, options, images, rows)
    learner.plan(0, trainer.data)
    assert learner.training
    expected = F.normalize(deepcluster.pca_whiten(backbone.features(images.pixels[rows]), 8), dim=1)
    torch.testing.assert_close(given[0], expected)


def test_an_encoder_with_a_last_relu_is_clustered_before_it_and_trained_after_it():
    class Negative(torch.nn.Module):
        out_features, ends_before_relu = 3, True

        def forward(self, x):
            return -x.mean((2, 3)).repeat(1, 3)

    learner = deepcluster.DeepCluster(Negative(), tiny_options("deepcluster"), 8)
    data = FakeCollection(learner, 8)
    x = data.x_NCHW.float()
    assert (data.outputs(lambda _: learner.encoder(x)) < 0).all()
    assert torch.equal(learner(x), learner.head.bias.expand(8, -1))


def test_the_labels_trained_on_are_uniform_over_clusters(monkeypatch: pytest.MonkeyPatch):
    labels = [0] * 900 + [1] * 60 + [2] * 30 + [4] * 10  # unequal, and cluster 3 is empty
    labels = [labels[i] for i in torch.randperm(1000, generator=torch.Generator().manual_seed(0)).tolist()]
    found(monkeypatch, labels)
    learner = tiny_learner("deepcluster", 1000, n_clusters=5)
    plan = learner.plan(0, FakeCollection(learner, 1000))
    assert plan.targets_NH[:, 0].tolist() == labels
    drawn = torch.bincount(plan.targets_NH[plan.order_M][:, 0], minlength=5)
    assert drawn.sum() == 1000
    assert drawn[3] == 0
    assert ((drawn[[0, 1, 2, 4]] - 250).abs() <= 4).all()


def test_unbalanced_epochs_see_each_image_once(monkeypatch: pytest.MonkeyPatch):
    found(monkeypatch, [0] * 90 + [1] * 10)
    learner = tiny_learner("deepcluster", 100, n_clusters=2, balanced=False)
    plan = learner.plan(0, FakeCollection(learner, 100))
    assert sorted(plan.order_M.tolist()) == list(range(100))
    assert torch.bincount(plan.targets_NH[plan.order_M][:, 0]).tolist() == [90, 10]


def test_the_order_differs_between_epochs_of_one_clustering():
    learner = tiny_learner("deepcluster", every=2)
    data = FakeCollection(learner)
    one, two = learner.plan(0, data), learner.plan(1, data)
    assert torch.equal(one.targets_NH, two.targets_NH)
    assert not torch.equal(one.order_M, two.order_M)


def test_assignments_are_remembered_and_compared_with(monkeypatch: pytest.MonkeyPatch):
    one, two = [0, 0, 1, 1] * 10, [0, 1, 1, 2] * 10
    found(monkeypatch, one, two)
    learner = tiny_learner("deepcluster", 40, n_clusters=3)
    assert learner.state_dict()["assignment_N"].tolist() == [-1] * 40
    data = FakeCollection(learner, 40)
    (first,) = learner.plan(0, data).notes
    assert learner.state_dict()["assignment_N"].tolist() == one
    (second,) = learner.plan(1, data).notes
    assert learner.state_dict()["assignment_N"].tolist() == two
    assert first["nmi_previous"] is None
    assert second["nmi_previous"] == pytest.approx(nmi(one, two), abs=1e-4)
    assert (first["clusters"], first["empty"], first["smallest"], first["largest"]) == (3, 1, 0, 20)
    assert (second["clusters"], second["empty"], second["smallest"], second["largest"]) == (3, 0, 10, 20)


def test_a_clustering_depends_on_the_seed_and_on_the_epoch():
    def assignment(epoch: int, seed: int = 0) -> torch.Tensor:
        learner = tiny_learner("deepcluster", seed=seed)
        return learner.plan(epoch, FakeCollection(learner)).targets_NH

    assert torch.equal(assignment(0), assignment(0))
    assert not torch.equal(assignment(0), assignment(1))
    assert not torch.equal(assignment(0), assignment(0, seed=1))


def test_the_head_has_optimiser_settings_of_its_own(tmp_path: Path):
    options = tiny_options(
        "deepcluster", data="digits", out=str(tmp_path), image_size=None, threads=1,
        lr=0.4, momentum=0.9, weight_decay=0.01, head_lr=0.1, head_momentum=0.5, head_weight_decay=0.02,
    )  # fmt: skip
    groups = {group["names"][0]: group for group in trainer_of(options).optimizer.param_groups}
    head = groups["head.weight"]
    assert (head["lr_factor"], head["momentum"], head["weight_decay"]) == (pytest.approx(0.25), 0.5, 0.02)
    assert groups["head.bias"]["weight_decay"] == 0
    assert head["constant"] and not groups["encoder.conv1.weight"]["constant"]
    body = groups["encoder.conv1.weight"]
    assert (body["lr_factor"], body["momentum"], body["weight_decay"]) == (1, 0.9, 0.01)


def test_the_head_follows_the_body_where_nothing_is_said_but_has_no_momentum(tmp_path: Path):
    options = tiny_options("deepcluster", data="digits", out=str(tmp_path), image_size=None, threads=1)
    groups = {group["names"][0]: group for group in trainer_of(options).optimizer.param_groups}
    head = groups["head.weight"]
    assert (head["lr_factor"], head["momentum"], head["weight_decay"]) == (1, 0, options.weight_decay)


def trainer_of(options: deepcluster.Options) -> Trainer:
    """A trainer of these options on digits, before its first step."""
    images = api.load_images("digits")
    said = set(vars(options))
    options = configured(options, "deepcluster", said, images, images.training)
    backbone: FeatureExtractor = api.untrained_backbone(options, images, "cpu")
    learner = deepcluster.DeepCluster(backbone.encoder, options, len(images))
    return Trainer(learner, backbone, options, images, images.training)


def test_the_optimiser_forgets_the_old_head_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    remembered: list[tuple[int, set[str]]] = []
    step = Trainer._step

    def stepping(self: Trainer, epoch: int, k: int) -> None:
        if k == 0:
            names = {id(p): name for name, p in self.method.named_parameters()}
            remembered.append((epoch, {names[id(p)] for p in self.optimizer.state}))
        step(self, epoch, k)

    monkeypatch.setattr(Trainer, "_step", stepping)
    options = tiny_options(
        "deepcluster", data="digits", out=str(tmp_path / "run"), image_size=None, threads=1,
        epochs=4, every=2, batch_size=512, head_momentum=0.9,
    )  # fmt: skip
    api.train("deepcluster", options)
    states = dict(remembered)
    head = {"head.weight", "head.bias"}
    assert states[0] == set()
    assert head <= states[1]
    assert states[2] == states[1] - head != set()
    assert states[3] == states[1]


def test_no_label_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    plan = deepcluster.DeepCluster.plan

    def planning(self: deepcluster.DeepCluster, epoch: int, data: TrainingImages):
        seen.append(data.labels_N)
        return plan(self, epoch, data)

    monkeypatch.setattr(deepcluster.DeepCluster, "plan", planning)
    options = tiny_options(
        "deepcluster", data="digits", out=str(tmp_path / "run"), image_size=None, threads=1, epochs=1
    )
    run = api.train("deepcluster", options)
    assert seen == [None]
    assert '"nmi_labels": 0.' in run.metrics.read_text()  # the engine has them, for the record


def test_the_loss_is_cross_entropy_and_chance_is_the_log_of_the_clusters():
    learner = tiny_learner("deepcluster", n_clusters=6)
    z_BVP = torch.randn(5, 1, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 5, 2, 2, 1])
    expected = F.cross_entropy(z_BVP[:, 0], targets)
    torch.testing.assert_close(learner.loss(z_BVP, targets[:, None]), expected, rtol=1e-12, atol=0)
    assert learner.chance_loss(256) == pytest.approx(math.log(6))
    assert float(learner.loss(torch.zeros(5, 1, 6), targets[:, None])) == pytest.approx(math.log(6))


def test_a_projection_is_one_number_a_cluster():
    learner = tiny_learner("deepcluster", n_clusters=6)
    assert learner(noise(3, seed=0)).shape == (3, 6)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"n_clusters": 1}, "--n-clusters must be at least 2, got 1"),
        ({"every": 0}, "--every must be at least 1, got 0"),
        ({"pca": 0}, "--pca must be at least 1, got 0"),
        ({"kmeans_iter": 0}, "--kmeans-iter must be at least 1, got 0"),
        ({"head_lr": 0.0}, "--head-lr must be positive, got 0.0"),
        ({"head_momentum": 1.0}, "--head-momentum must be below 1, got 1.0"),
        ({"head_weight_decay": -0.1}, "--head-weight-decay must be at least 0, got -0.1"),
    ],
)
def test_values_that_cannot_be_are_named(said: dict, complaint: str):
    assert list(tiny_options("deepcluster", **said).problems()) == [complaint]


def test_mistakes_about_the_data_are_told_with_the_others():
    with pytest.raises(ConfigurationError) as refused:
        api.train("deepcluster", deepcluster.Options(data="digits", n_clusters=5000, momentum=2.0))
    assert len(refused.value.problems) == 2
