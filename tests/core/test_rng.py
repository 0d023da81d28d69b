"""Random numbers are a fixed function of (seed, purpose, epoch, image, view), and look random."""

import zlib

import pytest
import torch

from lookalike.core import rng

N = 100_000
MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def splitmix(state: int) -> int:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014) on unsigned Python integers."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def oracle_bits(seed: int, purpose: str, epoch: int, index: int, view: int, column: int) -> int:
    """One number of the stream, unsigned, by Python integers alone."""
    state = splitmix((seed + GOLDEN) & MASK)
    for coordinate in (zlib.crc32(purpose.encode()), epoch, view):
        state = splitmix((state + (coordinate + 1) * GOLDEN) & MASK)
    state = splitmix(((state >> 1) + index * GOLDEN) & MASK)
    return splitmix((state + (column + 1) * GOLDEN) & MASK)


def correlation(a_N: torch.Tensor, b_N: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([a_N, b_N]))[0, 1].item()


def test_the_stream_is_pinned():
    index_N = torch.tensor([0, 1, 59_999])
    assert rng.derive(0, "order") == 3574849229175311818
    assert rng.derive(7, "augment/2", 3, 1) == 2417463246585956559
    assert rng.bits(7, "augment/2", 3, index_N, view=1, count=2).tolist() == [
        [7144042830834478180, -7945873819000630874],
        [2551223312484204232, 6362592144969081956],
        [8215451306488207143, -330624349914795914],
    ]
    assert rng.uniform(7, "augment/2", 3, index_N, view=1, count=2).tolist() == [
        [0.38727933168411255, 0.5692532658576965],
        [0.13830208778381348, 0.34491676092147827],
        [0.4453604817390442, 0.9820767641067505],
    ]
    assert rng.permutation(0, "order", 0, 10).tolist() == [7, 3, 6, 5, 1, 4, 0, 8, 2, 9]


@pytest.mark.parametrize(("seed", "epoch", "view"), [(0, 0, 0), (7, 3, 1), (2**63 + 11, 999, 7)])
def test_equals_splitmix_on_python_integers(seed, epoch, view):
    index_N = torch.tensor([0, 1, 2, 1000, 2**40])
    bits_NK = rng.bits(seed, "augment/0", epoch, index_N, view, count=3)
    uniform_NK = rng.uniform(seed, "augment/0", epoch, index_N, view, count=3)
    for row, index in enumerate(index_N.tolist()):
        for column in range(3):
            expected = oracle_bits(seed, "augment/0", epoch, index, view, column)
            assert bits_NK[row, column].item() & MASK == expected
            assert uniform_NK[row, column].item() == (expected >> 40) / 2**24


def test_derived_seeds_are_what_libraries_take():
    seeds = {rng.derive(seed, purpose, k) for seed in (0, 1, -1) for purpose in ("encoder", "head") for k in range(3)}
    assert len(seeds) == 18
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_uniform_has_the_range_mean_and_variance_of_one():
    u_NK = rng.uniform(0, "check", 0, torch.arange(N), count=4)
    assert u_NK.dtype == torch.float32
    assert u_NK.min() >= 0
    assert u_NK.max() < 1
    assert u_NK.mean(0).tolist() == pytest.approx([0.5] * 4, abs=0.004)  # 4 standard errors
    assert u_NK.var(0).tolist() == pytest.approx([1 / 12] * 4, abs=0.001)
    counts = torch.histc(u_NK[:, 0], 100, 0, 1)
    assert ((counts - N / 100) ** 2 / (N / 100)).sum() < 149  # chi-squared, 99 degrees of freedom, p = 0.001


def test_streams_are_uncorrelated():
    index_N = torch.arange(N)
    base_NK = rng.uniform(0, "check", 0, index_N, count=2)
    others = {
        "column": base_NK[:, 1],
        "next image": base_NK[:, 0].roll(1),
        "view": rng.uniform(0, "check", 0, index_N, view=1)[:, 0],
        "epoch": rng.uniform(0, "check", 1, index_N)[:, 0],
        "seed": rng.uniform(1, "check", 0, index_N)[:, 0],
        "purpose": rng.uniform(0, "check/1", 0, index_N)[:, 0],
    }
    for name, other_N in others.items():
        assert abs(correlation(base_NK[:, 0], other_N)) < 0.013, name  # 4 standard errors


def test_each_coordinate_makes_another_stream():
    index_N = torch.arange(50)
    streams = [
        rng.bits(0, "a", 0, index_N),
        rng.bits(1, "a", 0, index_N),
        rng.bits(0, "b", 0, index_N),
        rng.bits(0, "a", 1, index_N),
        rng.bits(0, "a", 0, index_N, view=1),
        rng.bits(0, "a", 1, index_N, view=1),
        rng.bits(0, "a", 0, index_N, count=2)[:, 1:],
    ]
    assert torch.cat(streams).unique().numel() == 50 * len(streams)


def test_numbers_depend_on_neither_company_nor_order():
    whole_NK = rng.uniform(3, "augment/1", 5, torch.arange(64), view=1, count=6)
    some_B = torch.tensor([40, 3, 3, 17])
    assert torch.equal(rng.uniform(3, "augment/1", 5, some_B, view=1, count=6), whole_NK[some_B])
    assert torch.equal(rng.uniform(3, "augment/1", 5, some_B[:1], view=1, count=6), whole_NK[some_B[:1]])


def test_asking_for_more_numbers_keeps_the_first():
    index_N = torch.arange(10)
    assert torch.equal(rng.uniform(0, "a", 0, index_N, count=5)[:, :2], rng.uniform(0, "a", 0, index_N, count=2))


def test_no_images_no_numbers():
    assert rng.uniform(0, "a", 0, torch.arange(0), count=3).shape == (0, 3)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_a_permutation_holds_each_number_once(n):
    order_N = rng.permutation(0, "order", 0, n)
    assert order_N.dtype == torch.int64
    assert order_N.sort().values.tolist() == list(range(n))


def test_permutations_mix_well_and_differ():
    orders = [rng.permutation(seed, "order", epoch, 10_000) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for k, order_N in enumerate(orders):
        assert abs(correlation(order_N.double(), torch.arange(10_000).double())) < 0.04
        assert (order_N == orders[k - 1]).sum() < 10


def test_torch_global_generator_is_left_alone():
    before = torch.get_rng_state()
    rng.permutation(0, "order", 0, 100)
    assert torch.equal(torch.get_rng_state(), before)


def test_several_purposes_at_once_are_each_alone():
    counts = {"crop": 3, "nothing": 0, "flip": 1, "jitter": 6}
    index_N = torch.tensor([5, 0, 2**40, 7])
    found = rng.uniforms(3, counts, 2, index_N, view=1).split(list(counts.values()), 1)
    for (purpose, count), numbers in zip(counts.items(), found, strict=True):
        assert torch.equal(numbers, rng.uniform(3, purpose, 2, index_N, 1, count)), purpose
