"""k-means against pinned values, a few-line oracle, scikit-learn, and itself by other ways."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans as SklearnKMeans
from torch import Tensor

from lookalike.clustering.lloyd import assign, lloyd
from lookalike.clustering.means import sums_and_counts
from lookalike.clustering.screening import Screening
from lookalike.clustering.seeding import plus_plus
from lookalike.core import machine
from lookalike.core.errors import LookalikeError
from lookalike.core.workers import Workers

CPU = torch.device("cpu")


def mixture(n: int, d: int, components: int = 20, noise: float = 0.5, seed: int = 0) -> Tensor:
    gen = torch.Generator().manual_seed(seed)
    centre_KD = torch.randn(components, d, generator=gen)
    return centre_KD[torch.randint(components, (n,), generator=gen)] + noise * torch.randn(n, d, generator=gen)


def oracle(x_ND: Tensor, c_KD: Tensor, iterations: int) -> tuple[Tensor, Tensor, float]:
    """Lloyd by loops, in float64; clusters must not run empty."""
    x, c = x_ND.double(), c_KD.double().clone()

    def label() -> Tensor:
        return torch.stack([(row - c).square().sum(1).argmin() for row in x])

    for _ in range(iterations):
        labels = label()
        for k in range(len(c)):
            c[k] = x[labels == k].mean(0)
    labels = label()
    return c, labels, float((x - c[labels]).square().sum())


def labels_by_float64(x_ND: Tensor, c_KD: Tensor) -> Tensor:
    x, c = x_ND.double(), c_KD.double()
    return torch.cat([(c.square().sum(1) / 2 - b @ c.T).argmin(1) for b in x.split(2000)])


def test_pinned_values() -> None:
    x = torch.tensor([[0.0], [1.0], [9.0], [10.0]])
    runs = [lloyd(x, 2, init=x[:2], max_iter=i) for i in range(6)]
    assert [run.inertia for run in runs] == pytest.approx([145, 17.5556, 1, 1, 1, 1], abs=1e-4)
    assert runs[-1].centroids_KD.tolist() == [[0.5], [9.5]]
    assert runs[-1].labels_N.tolist() == [0, 0, 1, 1]
    assert runs[-1].counts_K.tolist() == [2, 2]
    assert [run.iterations for run in runs] == [0, 1, 2, 3, 3, 3]
    assert runs[-1].refilled == 0


@pytest.mark.parametrize("spherical", [False, True])
def test_inertia_never_rises(spherical: bool) -> None:
    x = mixture(2000, 12, noise=1.0)
    runs = [lloyd(x, 15, init=x[:15], max_iter=i, spherical=spherical) for i in range(12)]
    assert all(run.refilled == 0 for run in runs)
    inertia = [run.inertia for run in runs]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in pairwise(inertia))
    assert inertia[-1] < 0.9 * inertia[0]


def test_as_many_clusters_as_rows() -> None:
    x = mixture(40, 5)
    found = lloyd(x, 40)
    assert found.inertia == 0
    assert sorted(found.labels_N.tolist()) == list(range(40))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_the_oracle(dtype: torch.dtype) -> None:
    x = mixture(300, 6, components=8, noise=0.8).to(dtype)
    c, labels, inertia = oracle(x, x[:8], 5)
    found = lloyd(x, 8, init=x[:8], max_iter=5)
    assert found.centroids_KD.dtype == dtype
    assert torch.equal(found.labels_N, labels)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found.centroids_KD.double(), c, atol=tolerance, rtol=tolerance)
    assert found.inertia == pytest.approx(inertia, rel=tolerance)


@pytest.mark.parametrize(("n", "d", "k"), [(3000, 16, 30), (6000, 64, 300)])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_against_scikit_learn(n: int, d: int, k: int, offset: float) -> None:
    x = mixture(n, d, components=k, noise=1.0) + offset
    first = x[:k]
    theirs = SklearnKMeans(k, init=first.double().numpy(), n_init=1, max_iter=300, tol=0).fit(x.double().numpy())
    found = lloyd(x, k, init=first, max_iter=300)
    assert found.refilled == 0
    assert np.array_equal(found.labels_N.numpy(), theirs.labels_)
    np.testing.assert_allclose(found.centroids_KD.numpy(), theirs.cluster_centers_, atol=1e-5 * (1 + offset))
    assert found.inertia == pytest.approx(theirs.inertia_, rel=1e-5)


def test_tolerance_is_scikit_learns() -> None:
    x = mixture(3000, 16, components=30, noise=1.0)
    theirs = SklearnKMeans(30, init=x[:30].numpy(), n_init=1, max_iter=300, tol=1e-2).fit(x.numpy())
    found = lloyd(x, 30, init=x[:30], max_iter=300, tol=1e-2)
    assert found.iterations == theirs.n_iter_ < lloyd(x, 30, init=x[:30], max_iter=300).iterations


def test_empty_cluster_takes_half_of_the_largest() -> None:
    x = torch.tensor([[1.0, 1.0], [1.2, 1.0], [1.1, 1.3], [9.0, 9.0]])
    far = torch.tensor([[1.0, 1.0], [9.0, 9.0], [500.0, 500.0]])
    found = lloyd(x, 3, init=far, max_iter=1)
    mean = x[:3].mean(0)
    assert found.refilled == 1
    up_down = torch.tensor([1 + 1 / 1024, 1 - 1 / 1024])
    torch.testing.assert_close(found.centroids_KD[2], mean * up_down)
    torch.testing.assert_close(found.centroids_KD[0], mean * up_down.flip(0))
    assert lloyd(x, 3, init=far, max_iter=10).counts_K.min() >= 1


def test_several_empty_clusters_share_what_is_large() -> None:
    x = torch.cat([mixture(80, 4, 1, noise=0.1), mixture(30, 4, 1, noise=0.1) + 50])
    far = torch.cat([x[:1], x[-1:], torch.full((3, 4), 1e4) * torch.arange(1, 4)[:, None]])
    found = lloyd(x, 5, init=far, max_iter=1)
    assert found.refilled == 3
    # donors: 80 (halved to 40), then 40 twice, each into 20: none comes from the cluster of 30
    near = (found.centroids_KD - x[:80].mean(0)).norm(dim=1) < 1
    assert near.tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_spherical(offset: float) -> None:
    x = mixture(3000, 16) + offset
    found = lloyd(x, 20, spherical=True, max_iter=7)
    torch.testing.assert_close(found.centroids_KD.norm(dim=1), torch.ones(20))
    cosine_NK = F.normalize(x.double(), dim=1) @ found.centroids_KD.double().T
    assert torch.equal(found.labels_N, cosine_NK.argmax(1))
    assert found.inertia == pytest.approx(float((2 - 2 * cosine_NK.amax(1)).sum()), rel=1e-5)
    labels, distance = assign(3 * x, 2 * found.centroids_KD, spherical=True)
    assert torch.equal(labels, found.labels_N)
    torch.testing.assert_close(distance.double(), 2 - 2 * cosine_NK.amax(1), atol=1e-6, rtol=1e-5)


def test_shards_add_up() -> None:
    x, k = mixture(5000, 8), 30
    labels, _ = assign(x, x[:k])
    sums, counts = sums_and_counts(x, labels, k)
    parts = [sums_and_counts(x[half], labels[half], k) for half in (slice(0, 1700), slice(1700, 5000))]
    torch.testing.assert_close(parts[0][0] + parts[1][0], sums, atol=1e-4, rtol=1e-6)
    assert torch.equal(parts[0][1] + parts[1][1], counts)
    by_loop = torch.stack([x[labels == j].double().sum(0) for j in range(k)])
    torch.testing.assert_close(sums, by_loop, atol=1e-4, rtol=1e-6)
    assert torch.equal(counts, torch.bincount(labels, minlength=k))


def test_sums_of_many_rows_far_from_the_origin_stay_exact() -> None:
    x = torch.full((200_000, 1), 16.1)
    sums, _ = sums_and_counts(x, torch.zeros(200_000, dtype=torch.int64), 2)
    assert float(sums[0]) == pytest.approx(200_000 * float(x[0]), rel=1e-6)
    assert float(sums[1]) == 0


@pytest.mark.parametrize("k", [7, 100, 150, 700])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_labels_do_not_depend_on_blocks_or_neighbours(k: int, dtype: torch.dtype) -> None:
    x = mixture(3000, 24, noise=1.0).to(dtype)
    labels, distance = assign(x, x[:k])
    assert torch.equal(labels, labels_by_float64(x, x[:k]))
    for block in (1, 37, 1000) if k == 7 else (37, 1000):
        again, distance_again = assign(x, x[:k], block=block)
        assert torch.equal(again, labels)
        assert torch.equal(distance_again, distance)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    assert torch.equal(assign(x[order], x[:k])[0], labels[order])
    assert torch.equal(assign(x[5:6], x[:k])[0], labels[5:6])
    found = [lloyd(x, k, init=x[:k], max_iter=4, block=b) for b in (None, 64)]
    assert torch.equal(found[0].labels_N, found[1].labels_N)


@pytest.mark.parametrize("n", [50, 40_000])
def test_ties_go_to_the_lowest_index(n: int) -> None:
    gen = torch.Generator().manual_seed(0)
    x = torch.randint(-3, 4, (n, 8), generator=gen).float()  # on a grid: many exact ties
    c = torch.cat([x[:30], x[:30], torch.randint(-3, 4, (30, 8), generator=gen).float()])
    square_NK = (x.double().square().sum(1)[:, None] - 2 * x.double() @ c.double().T) + c.double().square().sum(1)
    assert bool(((square_NK == square_NK.amin(1, keepdim=True)).sum(1) > 1).any())
    labels, _ = assign(x, c)
    assert torch.equal(labels, square_NK.argmin(1))  # whole numbers: exact; argmin takes the first


@pytest.mark.parametrize("k", [100, 700])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_bfloat16_gives_the_labels_of_float32(k: int, offset: float) -> None:
    x = F.normalize(mixture(3000, 64, components=400, noise=1.0) + offset, dim=1)
    with Workers(CPU) as workers:
        short = Screening(x, k, workers, None, torch.bfloat16)
        full = Screening(x, k, workers, None, torch.float32)
        c = x[:k].clone()
        for _ in range(4):  # the second time on, scores are shifted by those of the time before
            labels = short(c)
            assert torch.equal(labels, full(c))
            assert torch.equal(labels, labels_by_float64(x, c))
            sums, counts = sums_and_counts(x, labels, k)
            c = (sums / counts[:, None]).float()
        assert torch.equal(short(x[-k:]), full(x[-k:]))  # shifts that no longer fit


@pytest.mark.parametrize("k", [100, 700])
def test_bfloat16_scores_are_within_the_declared_bound(k: int) -> None:
    x = F.normalize(mixture(2000, 64, components=400, noise=1.0), dim=1)
    with Workers(CPU) as workers:
        nearest = Screening(x, k, workers, None, torch.bfloat16)
        nearest(x[:k])
        c = nearest._prepare(x[1 : k + 1])
        bound_N = nearest._set_shift_and_bound(c).double()
    scores = (nearest.low_NE @ c.wide_EK)[:, :k].double()
    rows, centres = (x - nearest.origin_D).double(), c.centred_KD.double()
    assert nearest.shift_N is not None
    exact = rows @ centres.T - centres.square().sum(1) / 2 - nearest.shift_N.double()[:, None]
    error = (scores - exact).abs() - 2.0**-8 * 1.01 * scores.abs()
    assert float((error - bound_N[:, None]).max()) <= 0
    assert float((scores - exact).abs().max()) > 1e-5  # there is something to bound


def test_equal_centroids_and_a_collapsed_data_set() -> None:
    x = torch.ones(500, 8) + 1e-7 * mixture(500, 8)
    c = torch.ones(40, 8)
    labels, _ = assign(x, c)
    assert labels.tolist() == [0] * 500


def test_same_seed_same_result_and_the_global_generator_is_left_alone() -> None:
    x = mixture(1000, 6, components=50, noise=1.0)
    for init in ("k-means++", "random"):
        state = torch.get_rng_state()
        first, again, other = (lloyd(x, 30, seed=seed, init=init, max_iter=2) for seed in (3, 3, 4))
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(first.centroids_KD, again.centroids_KD)
        assert first.inertia == again.inertia
        assert not torch.equal(first.centroids_KD, other.centroids_KD)


def test_threads_are_given_back_and_change_nothing() -> None:
    before = torch.get_num_threads()
    x = mixture(4000, 16)
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(lloyd(x, 30, max_iter=5, block=128))
            assert torch.get_num_threads() == threads
            with pytest.raises(LookalikeError):
                lloyd(x, 5000)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0].labels_N, results[1].labels_N)
    torch.testing.assert_close(results[0].centroids_KD, results[1].centroids_KD)


def test_an_error_in_a_thread_arrives() -> None:
    before = torch.get_num_threads()

    def fail(rows: slice) -> None:
        if rows.start >= 5:
            raise ValueError("row 5")

    torch.set_num_threads(2)
    try:
        with Workers(CPU) as workers, pytest.raises(ValueError, match="row 5"):
            workers.for_blocks(fail, 10, 1)
    finally:
        torch.set_num_threads(before)


def test_plus_plus_draws_by_squared_distance() -> None:
    # From a first row at 0 the next is the row at 1 or at 3, by odds of 1 to 9.
    x = torch.tensor([[0.0], [1.0], [3.0]])
    with Workers(CPU) as workers:
        chosen = torch.cat([plus_plus(x, 2, seed, workers) for seed in range(600)], 1).T
    from_zero = chosen[chosen[:, 0] == 0]
    share = float((from_zero[:, 1] == 3).double().mean())
    assert 150 < len(from_zero) < 250
    assert 0.83 < share < 0.97


def test_plus_plus_drawn_in_batches_keeps_the_distribution() -> None:
    # Four equal groups far apart: drawn by squared distance, the first four centroids nearly always hit
    # all of them. The third and fourth come from one batch whose distances do not know each other yet.
    gen = torch.Generator().manual_seed(0)
    x = torch.arange(4).repeat_interleave(25)[:, None] * 100.0 + torch.rand(100, 1, generator=gen)
    with Workers(CPU) as workers:
        hit = [len((plus_plus(x, 4, seed, workers) / 100).floor().unique()) for seed in range(200)]
    assert sum(count == 4 for count in hit) >= 198


def test_plus_plus_beats_random_rows() -> None:
    x = mixture(4000, 8, components=60, noise=0.1)
    assert lloyd(x, 60, max_iter=0).inertia < 0.5 * lloyd(x, 60, init="random", max_iter=0).inertia


def test_too_few_distinct_rows() -> None:
    x = mixture(6, 4)[torch.arange(60) % 6] + 100
    assert lloyd(x, 6).inertia == pytest.approx(0, abs=1e-6)
    with pytest.raises(LookalikeError, match="6 distinct"):
        lloyd(x, 7)
    found = lloyd(x, 7, init="random", max_iter=3)
    assert found.refilled > 0
    assert bool(found.centroids_KD.isfinite().all())


def test_bad_input() -> None:
    x = mixture(20, 3)
    with pytest.raises(LookalikeError, match="21 clusters of 20 rows"):
        lloyd(x, 21)
    with pytest.raises(LookalikeError, match="cannot make 0 clusters"):
        lloyd(x, 0)
    with pytest.raises(LookalikeError, match=r"shape \[20\]"):
        lloyd(x[:, 0], 2)
    for bad in (torch.nan, torch.inf, -torch.inf):
        broken = x.clone()
        broken[4, 1] = bad
        for call in (lambda b=broken: lloyd(b, 2), lambda b=broken: assign(b, x[:2])):
            with pytest.raises(LookalikeError, match="1 of 20 rows holds NaN or infinite values; the first is row 4"):
                call()
    with pytest.raises(LookalikeError, match=r"shape \[3, 3\], expected \[2, 3\]"):
        lloyd(x, 2, init=x[:3])
    with pytest.raises(LookalikeError, match=r"expected \[2, 3\]"):
        assign(x, x[:2, :2])
    with pytest.raises(LookalikeError, match="centroids hold NaN"):
        lloyd(x, 2, init=torch.full((2, 3), torch.nan))
    with pytest.raises(LookalikeError, match="init is 'kmeans'"):
        lloyd(x, 2, init="kmeans")


def test_inputs_stay_as_they_were() -> None:
    x = mixture(200, 4)
    first = x[:5].clone()
    copy_x, copy_first = x.clone(), first.clone()
    lloyd(x, 5, init=first, spherical=True)
    lloyd(x, 5, init=first, max_iter=0).centroids_KD.add_(1)
    assert torch.equal(x, copy_x)
    assert torch.equal(first, copy_first)


def test_threads_are_no_more_than_a_container_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_granted_cores", lambda: 1)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen: set[int] = set()
    try:
        with Workers(CPU) as workers:
            workers.for_blocks(lambda _: seen.add(threading.get_ident()), 100, 1)
    finally:
        torch.set_num_threads(before)
    assert seen == {threading.get_ident()}
