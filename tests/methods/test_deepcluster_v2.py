"""DeepCluster-v2: the memory of projections, the prototypes, and what each head predicts."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from fakes import FakeCollection, noise, tiny_learner, tiny_options
from lookalike import api
from lookalike.core import rng
from lookalike.core.errors import ConfigurationError
from lookalike.core.metrics import read_metrics
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.methods import deepcluster_v2
from lookalike.methods.base import Step, View


def planned(n: int = 64, **said: object) -> tuple[deepcluster_v2.DeepClusterV2, FakeCollection]:
    """A learner that has planned its first epoch."""
    learner = tiny_learner("deepcluster-v2", n, **said)
    data = FakeCollection(learner, n)
    learner.plan(0, data)
    return learner, data


def assert_unit_rows(x: torch.Tensor) -> None:
    torch.testing.assert_close(x.norm(dim=-1), torch.ones(x.shape[:-1], dtype=x.dtype))


def test_the_memory_is_filled_once_by_two_views_before_the_first_epoch():
    learner, data = planned()
    asked = [(call[0], call[2], call[3]) for call in data.calls]
    assert asked == [("view_outputs", -1, 0), ("view_outputs", -1, 1)]
    for view in (0, 1):
        z = data.view_outputs(learner, epoch=-1, view=view)
        torch.testing.assert_close(learner.bank_VNP[view].float(), F.normalize(z, dim=1))
    assert not torch.equal(learner.bank_VNP[0], learner.bank_VNP[1])
    assert_unit_rows(learner.bank_VNP.float())
    data.calls.clear()
    learner.plan(1, data)
    learner.plan(2, data)
    assert data.calls == []


def test_prototypes_are_centroids_of_unit_norm():
    learner, _ = planned(heads=3)
    assert learner.prototypes_HKP.shape == (3, 6, 16)
    assert_unit_rows(learner.prototypes_HKP.float())
    for head in range(3):
        bank, labels = learner.bank_VNP[head % 2], learner.assignment_NH[:, head]
        for cluster in labels.unique().tolist():
            mean = F.normalize(bank[labels == cluster].mean(0), dim=0)
            # they are the means of the iteration before the last assignment, which has settled here
            torch.testing.assert_close(learner.prototypes_HKP[head, cluster], mean, rtol=0, atol=1e-5)


def test_each_image_belongs_to_its_nearest_prototype():
    learner, _ = planned(heads=3)
    for head in range(3):
        similarity = learner.bank_VNP[head % 2] @ learner.prototypes_HKP[head].T
        assert torch.equal(similarity.argmax(1), learner.assignment_NH[:, head])


def test_a_head_clusters_the_view_of_its_parity_from_a_start_of_its_own(monkeypatch: pytest.MonkeyPatch):
    calls = []
    lloyd = deepcluster_v2.lloyd

    def noting(x_ND: torch.Tensor, k: int, **said: object):
        calls.append((x_ND.clone(), said))
        return lloyd(x_ND, k, **said)

    monkeypatch.setattr(deepcluster_v2, "lloyd", noting)
    learner, data = planned(heads=4)
    learner.plan(1, data)
    assert len(calls) == 8
    for i, (x, said) in enumerate(calls):
        assert torch.equal(x, learner.bank_VNP[i % 2].float())
        assert said["spherical"] is True
    assert len({said["seed"] for _, said in calls}) == 8


def test_heads_differ():
    learner, _ = planned(heads=3)
    a, b, c = learner.assignment_NH.T
    assert not torch.equal(a, b)
    assert not torch.equal(a, c)
    assert not torch.equal(learner.prototypes_HKP[0], learner.prototypes_HKP[2])


def test_memory_and_prototypes_are_kept_but_not_learned():
    learner, _ = planned()
    kept = {"bank_VNP", "prototypes_HKP", "assignment_NH"}
    assert kept <= set(learner.state_dict())
    assert not kept & {name for name, _ in learner.named_parameters()}
    z_BVP = learner(noise(16, seed=5)).unflatten(0, (8, 2))
    learner.loss(z_BVP, learner.assignment_NH[:8]).backward()
    assert learner.prototypes_HKP.grad is None
    assert not learner.prototypes_HKP.requires_grad
    assert not learner.bank_VNP.requires_grad


def test_no_parameter_is_renewed_and_no_pass_is_made_for_features():
    learner, data = planned()
    before = [p.clone() for p in learner.parameters()]
    plan = learner.plan(1, data)
    assert plan.reset_params == ()
    assert all(torch.equal(p, q) for p, q in zip(before, learner.parameters(), strict=True))


def test_a_step_overwrites_the_rows_of_its_batch_and_no_others():
    learner, _ = planned(heads=2, small_crops=1)
    before = learner.bank_VNP.clone()
    index = torch.tensor([7, 0, 33])
    z_BVP = torch.randn(3, 3, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    learner.on_step_end(Step(0, 9, 0.0, 0, z_BVP, index))
    rest = torch.ones(64, dtype=torch.bool).index_fill_(0, index, False)
    assert torch.equal(learner.bank_VNP[:, rest], before[:, rest])
    for view in (0, 1):  # the third view, a small one, is not remembered
        torch.testing.assert_close(learner.bank_VNP[view, index], F.normalize(z_BVP[:, view], dim=1))


def test_the_loss_is_the_obvious_formula():
    learner, _ = planned(heads=3, temperature=0.2)
    z_BVP = torch.randn(4, 2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[0, 1, 2], [5, 5, 5], [3, 0, 4], [2, 2, 1]])
    terms = []
    for image in range(4):
        for view in range(2):
            z = z_BVP[image, view] / z_BVP[image, view].norm()
            for head in range(3):
                logits = (learner.prototypes_HKP[head] @ z) / 0.2
                terms.append(logits.logsumexp(0) - logits[targets[image, head]])
    torch.testing.assert_close(learner.loss(z_BVP, targets), torch.stack(terms).mean(), rtol=1e-12, atol=0)


def test_the_norm_of_a_projection_does_not_matter():
    learner, _ = planned()
    z_BVP = torch.randn(4, 2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = learner.assignment_NH[:4]
    torch.testing.assert_close(learner.loss(z_BVP, targets), learner.loss(7 * z_BVP, targets), rtol=1e-12, atol=0)


def test_it_clusters_every_so_many_epochs_and_keeps_targets_between():
    learner, data = planned(every=2)
    first = learner.assignment_NH.clone()
    learner.bank_VNP.copy_(learner.bank_VNP.flip(1))
    between = learner.plan(1, data)
    assert between.notes == ()
    assert torch.equal(between.targets_NH, first)
    assert len(learner.plan(2, data).notes) == 3


def test_the_agreement_with_the_clustering_before_is_that_of_the_same_head():
    learner, data = planned(heads=2)
    first = learner.plan(1, data).notes  # the memory is as it was, the start of k-means is another
    assert all(0 < note["nmi_previous"] <= 1 for note in first)
    learner.assignment_NH[:, 1] = torch.arange(64) % 2  # a stranger's groups for the second head only
    second = learner.plan(2, data).notes
    assert second[1]["nmi_previous"] < 0.2 < second[0]["nmi_previous"]


def test_small_views_have_the_size_and_area_they_are_told():
    learner = tiny_learner("deepcluster-v2", small_crops=2, small_crop_size=9, small_crop_min=0.1, crop_min=0.4)
    assert learner.views == (View(count=2), View(count=2, size=9, area=(0.1, 0.4)))


@pytest.mark.parametrize(("side", "small"), [(224, 96), (32, 14), (16, 8)])
def test_small_views_are_by_default_as_small_as_in_the_paper(side: int, small: int):
    learner = tiny_learner("deepcluster-v2", small_crops=1, image_size=side)
    assert learner.views[1] == View(count=1, size=small, area=(0.05, 0.14))


def run_options(out: Path, **said: object) -> deepcluster_v2.Options:
    small = {"epochs": 2, "batch_size": 512, "norm": "batch", "image_size": None, "precision": "float32", **said}
    return tiny_options("deepcluster-v2", data="digits", out=str(out), threads=1, **small)


def test_a_short_run_with_small_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shapes, projections = set(), set()
    forward, loss = deepcluster_v2.DeepClusterV2.forward, deepcluster_v2.DeepClusterV2.loss

    def embedding(self, x):
        shapes.add(tuple(x.shape))
        return forward(self, x)

    def losing(self, z, targets, comm):
        projections.add(tuple(z.shape))
        return loss(self, z, targets, comm)

    monkeypatch.setattr(deepcluster_v2.DeepClusterV2, "forward", embedding)
    monkeypatch.setattr(deepcluster_v2.DeepClusterV2, "loss", losing)
    run = api.train("deepcluster-v2", run_options(tmp_path / "run", small_crops=2, small_crop_size=10))
    assert {(1024, 1, 16, 16), (1024, 1, 10, 10)} <= shapes
    assert projections == {(512, 4, 16)}
    assert run.status().status == "trained"


def test_views_of_the_memory_are_other_views_than_those_of_training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    begun: list[torch.Tensor] = []
    after = deepcluster_v2.DeepClusterV2.on_step_end

    def stepping(self, step):
        if not begun:
            begun.append(self.bank_VNP.clone())
        after(self, step)

    monkeypatch.setattr(deepcluster_v2.DeepClusterV2, "on_step_end", stepping)
    api.train("deepcluster-v2", run_options(tmp_path / "run", epochs=1, max_steps=1))
    (bank,) = begun
    same = (bank[0] * bank[1]).sum(1)
    other = (bank[0] * bank[1].roll(1, 1).roll(1, 0)).sum(1)
    assert float(same.mean()) > float(other.mean())
    assert float((same > 0.99999).float().mean()) < 0.05


def test_images_left_out_by_an_incomplete_batch_keep_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plans = []
    plan = deepcluster_v2.DeepClusterV2.plan

    def planning(self, epoch, data):
        plans.append((plan(self, epoch, data), self.bank_VNP.clone()))
        return plans[-1][0]

    monkeypatch.setattr(deepcluster_v2.DeepClusterV2, "plan", planning)
    run = api.train("deepcluster-v2", run_options(tmp_path / "run"))
    (first, bank_0), (second, bank_1) = plans
    left_out = first.order_M[3 * 512 :]
    assert len(left_out) == 1797 - 3 * 512
    assert (second.targets_NH >= 0).all()
    same = (bank_0 == bank_1).all(-1).all(0)
    assert sorted(left_out.tolist()) == torch.nonzero(same)[:, 0].tolist()
    sizes = [e for e in read_metrics(run.metrics) if e["event"] == "clustering"]
    assert len(sizes) == 6


def test_the_memory_after_an_epoch_holds_the_projections_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    used = {}
    after = deepcluster_v2.DeepClusterV2.on_step_end

    def noting(self, step):
        used.update({row: step.outputs[i, :2] for i, row in enumerate(step.images_B.tolist())})
        after(self, step)

    monkeypatch.setattr(deepcluster_v2.DeepClusterV2, "on_step_end", noting)
    run = api.train("deepcluster-v2", run_options(tmp_path / "run", epochs=1))
    bank = load_checkpoint(run.checkpoint)["method"]["bank_VNP"]
    rows = sorted(used)
    expected = torch.stack([F.normalize(used[row], dim=1) for row in rows], 1)
    assert len(rows) == 3 * 512
    torch.testing.assert_close(bank[:, rows], expected)
    assert rows == sorted(rng.permutation(0, "order", 0, 1797)[: 3 * 512].tolist())


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"n_clusters": 1}, "--n-clusters must be at least 2, got 1"),
        ({"heads": 0}, "--heads must be at least 1, got 0"),
        ({"every": 0}, "--every must be at least 1, got 0"),
        ({"temperature": 0.0}, "--temperature must be positive, got 0.0"),
        ({"small_crops": -1}, "--small-crops must be at least 0, got -1"),
        ({"small_crop_size": 4}, "--small-crop-size must be at least 8, got 4"),
        (
            {"small_crops": 1, "small_crop_min": 0.3, "crop_min": 0.2},
            "--small-crop-min must be in (0, --crop-min), got 0.3",
        ),
    ],
)
def test_values_that_cannot_be_are_named(said: dict, complaint: str):
    assert list(tiny_options("deepcluster-v2", **said).problems()) == [complaint]


def test_the_area_of_small_views_is_of_no_concern_without_small_views():
    assert list(tiny_options("deepcluster-v2", crop_min=0.04).problems()) == []


def test_the_smallest_area_is_below_the_largest_also_where_crop_min_says_nothing(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"--small-crop-min must be below 0\.14 .* got 0\.3"):
        api.train("deepcluster-v2", run_options(tmp_path / "run", small_crops=1, small_crop_min=0.3))
    assert not (tmp_path / "run").exists()


def test_a_single_image_beyond_the_last_block_can_be_remembered(tmp_path: Path):
    images = api.load_images("digits")
    assert images.labels is not None
    one_more = dataclasses.replace(
        images, pixels=images.pixels[:513], paths=images.paths[:513], labels=images.labels[:513]
    )
    run = api.train("deepcluster-v2", run_options(tmp_path / "run", epochs=1, batch_size=256), images=one_more)
    bank = load_checkpoint(run.checkpoint)["method"]["bank_VNP"]
    assert bank.shape[1] == 513
    assert_unit_rows(bank)
