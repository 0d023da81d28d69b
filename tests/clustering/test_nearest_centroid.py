"""Every way to the nearest centroid gives the labels of float64, for rows of every kind, while centroids move."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.clustering import nearest as nearest_module
from lookalike.clustering.block_labels import label_full, label_near_blocks
from lookalike.clustering.exact import first_equal, nearest_of_pairs, repeated
from lookalike.clustering.lloyd import assign, lloyd
from lookalike.clustering.means import means, sums_and_counts
from lookalike.clustering.nearest import Nearest
from lookalike.clustering.pruning_plan import Plan, main_axes, near_order, plan
from lookalike.core.workers import Workers

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def many_rows(monkeypatch: pytest.MonkeyPatch):
    """The ways for many rows, with few of them."""
    monkeypatch.setattr(nearest_module, "_FEW", 0)


N, D = 5000, 48


def tight(noise: float = 1e-3) -> Tensor:
    """12 groups that are finer than what float32 tells from a common origin."""
    gen = torch.Generator().manual_seed(1)
    centre = 30 * F.normalize(torch.randn(12, D, generator=gen), dim=1)
    return centre[torch.randint(12, (N,), generator=gen)] + noise * torch.randn(N, D, generator=gen)


def collapsed() -> Tensor:
    """Rows that differ in three directions only, but for a trace."""
    gen = torch.Generator().manual_seed(2)
    along = torch.randn(N, 3, generator=gen) @ torch.randn(3, D, generator=gen)
    return F.normalize(torch.randn(1, D, generator=gen) + 0.05 * along + 1e-4 * torch.randn(N, D, generator=gen), dim=1)


def round_cloud() -> Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(3))


def grid() -> Tensor:
    """Whole numbers: many distances are exactly equal."""
    return torch.randint(-2, 3, (N, D), generator=torch.Generator().manual_seed(4)).float()


def copies() -> Tensor:
    """Few different rows, each many times."""
    return round_cloud()[:40][torch.arange(N) % 40]


def far_away() -> Tensor:
    return round_cloud() + 300


KINDS = {f.__name__: f for f in (tight, collapsed, round_cloud, grid, copies, far_away)}


def by_float64(x_ND: Tensor, c_KD: Tensor) -> Tensor:
    """Labels by distances taken directly; the lowest index of those that are equal but for float64's rounding."""
    x, c = x_ND.double(), c_KD.double()
    labels = []
    for part in x.split(500):
        distance = torch.cdist(part, c, compute_mode="donot_use_mm_for_euclid_dist").square()
        labels.append((distance <= distance.amin(1, keepdim=True) * (1 + 1e-12)).int().argmax(1))
    return torch.cat(labels)


def moved(x: Tensor, labels: Tensor, k: int) -> Tensor:
    return means(*sums_and_counts(x, labels, k))[0].to(x.dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["full", "near", "axes"])
def test_labels_are_those_of_float64(kind: str, way: str, dtype: torch.dtype) -> None:
    x = KINDS[kind]().to(dtype)
    k = 30
    c = x[torch.arange(k) * (N // k)].clone()
    with Workers(CPU) as workers:
        look = Nearest(x, k, workers, calls=0)  # none to come: it plans nothing of its own
        for call in range(6):
            labels = look(c)
            assert torch.equal(labels, by_float64(x, c)), call
            if call == 0 and way != "full" and look.near is None:
                assert look.full is not None
                axes = main_axes(x[::10], 8) if way == "axes" else None
                look._sort(look.full, Plan(*near_order(labels.numpy(), c, 200), axes, 0.5))
            state = look.state
            distance = torch.cdist(x.double(), c.double(), compute_mode="donot_use_mm_for_euclid_dist")
            own = distance.gather(1, labels[:, None])[:, 0]
            others = distance.scatter(1, labels[:, None], math.inf).amin(1)
            if first_equal(c) is not None:
                others.fill_(0)  # nothing is known of others
            assert bool((own <= state.upper_N).all())
            assert bool((others >= state.lower_N.clamp(min=0)).all())
            if call == 3:
                c = c.clone()
                c[7], c[9] = c[3], c[20]  # equal ones, which part again below
            else:
                c = moved(x, labels, k)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_few_rows_are_labelled_at_once(kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "_FEW", 1 << 23)
    x = KINDS[kind]().to(dtype)
    c = x[torch.arange(30) * (N // 30)].clone()
    c[7], c[9] = c[3], c[20]
    with Workers(CPU) as workers:
        look = Nearest(x, 30, workers)
        assert look.few is not None
        for _ in range(3):
            labels = look(c)
            assert torch.equal(labels, by_float64(x, c))
            c = moved(x, labels, 30)


def test_few_rows_are_added_up_as_many_are() -> None:
    x, labels = round_cloud(), torch.arange(N) % 7
    many, few = (sums_and_counts(x, labels, 8, few=most) for most in (0, N))
    assert torch.equal(few[1], many[1])
    torch.testing.assert_close(few[0], many[0], rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("seed", range(40))
def test_rows_of_any_number_and_size(seed: int) -> None:
    gen = torch.Generator().manual_seed(seed)
    n, d, k = (int(torch.randint(1, most, (1,), generator=gen)) for most in (400, 40, 50))
    x = torch.randn(n, d, generator=gen) * 10.0 ** float(torch.randint(-3, 4, (1,), generator=gen))
    if seed % 3 == 0:
        x = x.round()
    c = x[torch.randint(n, (k,), generator=gen)] + (seed % 2) * torch.randn(k, d, generator=gen)
    with Workers(CPU) as workers:
        look = Nearest(x, k, workers, block=1 + seed)
        for _ in range(3):
            labels = look(c)
            assert torch.equal(labels, by_float64(x, c))
            if look.near is None and look.full is not None and seed % 4:
                axes = main_axes(x, min(3, d)) if seed % 4 == 1 else None
                look._sort(look.full, Plan(*near_order(labels.numpy(), c, 1 + seed), axes, 0.5))
            c = moved(x, labels, k)


def test_rows_finer_than_rounding_are_sorted_into_near_ones_by_themselves() -> None:
    x = tight()
    k = 60
    with Workers(CPU) as workers:
        look = Nearest(x, k, workers, calls=1)
        c = x[:k].clone()
        assert torch.equal(look(c), by_float64(x, c))
        assert look.near is not None
    assert torch.equal(assign(x, c)[0], by_float64(x, c))


def test_sorting_is_planned_where_it_pays_and_only_there() -> None:
    gen = torch.Generator().manual_seed(0)
    wide = torch.randn(8192, 512, generator=gen)
    thin = torch.randn(8192, 4, generator=gen) @ torch.randn(4, 512, generator=gen)
    with Workers(CPU) as workers:
        for x, pays in ((wide, False), (thin, True)):
            c = x[:300].clone()
            look = Nearest(x, 300, workers, calls=0)
            look(c)
            assert look.full is not None
            planned = plan(look.full, c, look.state, 10)
            assert (planned is not None) == pays
            assert plan(look.full, c, look.state, 0) is None  # nothing to come
            if planned is not None:
                assert sorted(planned.order_N.tolist()) == list(range(8192))
                assert planned.cost < 0.8


def test_near_rows_follow_one_another_and_no_block_has_rows_of_two_groups() -> None:
    x = tight()
    centre = torch.stack([x[i] for i in range(12 * 4)])
    labels = by_float64(x, centre)
    order, starts = near_order(labels.numpy(), centre, 100)
    assert sorted(order.tolist()) == list(range(N))
    assert starts[0] == 0
    ends = [*starts[1:].tolist(), N]
    for start, end in zip(starts.tolist(), ends, strict=True):
        assert 0 < end - start <= 100
        block = x[torch.from_numpy(order[start:end])]
        assert float((block - block[0]).norm(dim=1).max()) < 1  # groups are more than ten times as far apart


def test_rows_that_cannot_have_changed_are_left_out() -> None:
    x = tight(noise=0.5)
    with Workers(CPU) as workers:
        look = Nearest(x, 12, workers, calls=0)
        c = torch.stack([x[by_float64(x, x[:1]) == 0][i] for i in range(12)])
        for _ in range(4):
            labels = look(c)
            c = moved(x, labels, 12)
        assert look.full is not None
        look.full.rows_ND.fill_(math.nan)  # whoever is looked at again would get no label
        again = look(c + 1e-4)
    assert float((again == labels).double().mean()) > 0.9


@pytest.mark.parametrize("kind", ["tight", "collapsed", "round_cloud"])
def test_threads_and_blocks_change_no_bit(kind: str) -> None:
    x = KINDS[kind]()
    before = torch.get_num_threads()
    results = []
    try:
        for threads, block in ((1, None), (2, None), (3, 77)):
            torch.set_num_threads(threads)
            results.append(lloyd(x, 40, init=x[:40], max_iter=6, block=block))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert torch.equal(other.labels_N, results[0].labels_N)
        assert torch.equal(other.centroids_KD, results[0].centroids_KD)


def test_autocast_of_the_caller_changes_nothing() -> None:
    x = collapsed()
    plain = lloyd(x, 20, max_iter=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = lloyd(x, 20, max_iter=3)
    assert torch.equal(under.centroids_KD, plain.centroids_KD)
    assert torch.equal(under.labels_N, plain.labels_N)


@pytest.mark.parametrize("faster", [True, False])
def test_bfloat16_is_a_first_look_where_it_is_faster(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(nearest_module, "_WORTH_BF16", 1)
    monkeypatch.setattr(nearest_module, "_FASTER", math.inf if faster else 0.0)
    x = round_cloud()[:2000]
    with Workers(CPU) as workers:
        look = Nearest(x, 20, workers, calls=9)
        c = x[:20].clone()
        for call in range(5):
            labels = look(c)
            assert torch.equal(labels, by_float64(x, c))
            assert call > 0 or (look.screening is not None) == faster
            c = moved(x, labels, 20)


def test_bfloat16_gives_way_to_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "cpu_has_bf16", lambda: True)
    gen = torch.Generator().manual_seed(0)
    thin = torch.randn(8192, 4, generator=gen) @ torch.randn(4, 512, generator=gen)
    with Workers(CPU) as workers:
        look = Nearest(thin, 200, workers, calls=20)
        c = thin[:200].clone()
        look.screening = nearest_module.Screening(thin, 200, workers, None, torch.bfloat16)
        look._full_seconds = 0.0  # as if that had been measured
        assert torch.equal(look(c), by_float64(thin, c))
        assert look.screening is None
        assert torch.equal(look(c * 1.01), by_float64(thin, c * 1.01))


def test_a_block_runs_without_pythons_lock() -> None:
    # what TorchScript does not know would run as Python, slowly, without a word
    for function in (label_full, label_near_blocks):
        with pytest.warns(DeprecationWarning, match="torch.jit.script"):
            assert isinstance(torch.jit.script(function), torch.jit.ScriptFunction)


def test_equal_centroids_stand_for_the_first_of_them() -> None:
    c = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [5.0, 6.0], [3.0, 4.0], [1.0, 2.0]])
    first = first_equal(c)
    assert first is not None
    assert first.tolist() == [0, 1, 0, 3, 1, 0]
    assert sorted(repeated(c).tolist()) == [2, 4, 5]
    assert first_equal(c[[0, 1, 3]]) is None
    assert repeated(c[:2]).tolist() == []


def test_pairs_are_decided_by_float64_and_ties_by_index() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    c = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.5, 0.0]])
    row, candidate = torch.tensor([0, 0, 0, 1, 1]), torch.tensor([1, 0, 2, 2, 3])
    near = nearest_of_pairs(x, c, row, candidate)
    assert near.labels_U.tolist() == [0, 3]
    assert near.least_U.tolist() == [1.0, 0.25]
    assert near.next_U.tolist() == [1.0, 1.0]
    # nearer by less than float32 tells
    close = torch.tensor([[1.0, 0.0], [1.0 - 6e-8, 3e-4]])
    alone = nearest_of_pairs(torch.zeros(1, 2), close, torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert alone.labels_U.tolist() == [int(close.double().norm(dim=1).argmin())]
