"""Every cluster is seen equally often, by the labels of the very rows that the order names."""

import pytest
import torch
from torch import Tensor

from lookalike.clustering.balance import balanced_order
from lookalike.core.errors import LookalikeError


def shuffled(sizes: list[int], seed: int = 0) -> Tensor:
    """Labels 0, 1, ... in clusters of these sizes, rows in random order."""
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


def zipf(n: int, clusters: int) -> Tensor:
    """About n labels in clusters whose sizes fall as 1 / rank."""
    share = 1 / torch.arange(1, clusters + 1)
    return shuffled((n * share / share.sum()).round().int().tolist())


@pytest.mark.parametrize("epoch", range(5))
def test_three_clusters_of_ten_rows(epoch):
    labels = torch.tensor([0, 0, 1, 0, 0, 2, 0, 1, 0, 0])
    order = balanced_order(labels, seed=0, epoch=epoch)
    assert order.dtype == torch.int64
    assert len(order) == 10
    counts = labels[order].bincount(minlength=3)
    assert counts.min() >= 2 and counts.max() <= 4  # 4 each, 2 cut off
    of_largest = order[labels[order] == 0]
    assert len(of_largest.unique()) == len(of_largest)  # 7 rows: no need to draw one twice


@pytest.mark.parametrize("clusters", [50, 1000])
def test_clusters_of_any_size_are_seen_equally_often(clusters):
    labels = zipf(100_000, clusters)
    n, natural = len(labels), labels.bincount() / len(labels)
    order = balanced_order(labels, seed=0, epoch=0)
    counts = labels[order].bincount(minlength=clusters)
    per = n // clusters + 1
    assert len(order) == n
    assert natural.max() / natural.min() > 40  # else equal frequencies would say nothing
    assert counts.max() <= per
    assert 0 < (per - counts).sum() <= clusters
    if clusters == 50:
        torch.testing.assert_close(counts / n, torch.full((50,), 1 / 50), rtol=0.01, atol=0)


def test_reading_the_order_as_positions_in_a_list_by_cluster_loses_it_all():
    """What the released code does; so the test above can tell."""
    labels = zipf(100_000, 50)
    natural = labels.bincount() / len(labels)
    order = balanced_order(labels, seed=0, epoch=0)
    misread = labels.sort().values[order].bincount(minlength=50) / len(order)
    assert torch.corrcoef(torch.stack([misread, natural]))[0, 1] > 0.99
    assert misread.max() > 10 / 50 and misread.min() < 0.3 / 50


def test_numbers_without_rows_are_skipped():
    dense = shuffled([30, 5, 1])
    sparse = torch.tensor([-4, 3, 900])[dense]
    assert torch.equal(balanced_order(sparse, seed=1, epoch=2), balanced_order(dense, seed=1, epoch=2))


def test_rows_repeat_only_where_a_cluster_is_too_small():
    labels = shuffled([6, 7, 8, 3, 6])  # 30 // 5 + 1 = 7 of each
    repeats = torch.zeros(5)
    for epoch in range(20):
        order = balanced_order(labels, seed=0, epoch=epoch)
        for cluster in range(5):
            rows = order[labels[order] == cluster]
            repeats[cluster] += len(rows) - len(rows.unique())
    assert repeats[2] == 0
    assert (repeats[[0, 1, 3, 4]] > 20).all()


@pytest.mark.parametrize("sizes", [[7, 2, 1], [40, 4]])
def test_rows_of_a_cluster_are_drawn_equally_often(sizes):
    labels, epochs = shuffled(sizes), 1500
    orders = torch.cat([balanced_order(labels, seed=0, epoch=e) for e in range(epochs)])
    drawn = orders.bincount(minlength=len(labels)).double()
    for cluster in range(len(sizes)):
        rows = drawn[labels == cluster]
        torch.testing.assert_close(rows, rows.mean().expand_as(rows), rtol=0.1, atol=0)


def test_clusters_are_mixed_throughout_the_order():
    labels = zipf(100_000, 10)
    ordered = labels[balanced_order(labels, seed=0, epoch=0)]
    for part in ordered.chunk(10):
        torch.testing.assert_close(part.bincount() / len(part), torch.full((10,), 0.1), rtol=0.15, atol=0)


@pytest.mark.parametrize("length", [1, 7, 100, 1000, 12_345])
def test_orders_of_other_lengths_are_balanced_too(length):
    labels = shuffled([900, 90, 9, 1])
    order = balanced_order(labels, seed=0, epoch=0, length=length)
    counts = labels[order].bincount(minlength=4)
    assert len(order) == length
    assert counts.max() <= length // 4 + 1
    assert (length // 4 + 1 - counts).sum() <= 4


def test_one_cluster_and_one_row():
    assert balanced_order(torch.tensor([5]), seed=0, epoch=0).tolist() == [0]
    order = balanced_order(torch.zeros(50, dtype=torch.int64), seed=0, epoch=0)
    assert len(order) == 50 and order.min() >= 0 and order.max() < 50


def test_the_order_is_a_function_of_seed_and_epoch():
    labels = shuffled([50, 20, 3])
    torch.manual_seed(1)
    first = balanced_order(labels, seed=3, epoch=4)
    torch.manual_seed(2)
    assert torch.equal(balanced_order(labels, seed=3, epoch=4), first)
    assert torch.equal(balanced_order(labels.int(), seed=3, epoch=4), first)
    for seed, epoch in ((3, 5), (4, 4)):
        assert not torch.equal(balanced_order(labels, seed=seed, epoch=epoch), first)


def test_each_epoch_repeats_other_rows_of_a_small_cluster():
    labels = shuffled([1000, 10])
    times = [
        balanced_order(labels, seed=0, epoch=epoch).bincount(minlength=1010)[labels == 1].sort().values
        for epoch in (0, 1)
    ]
    assert (times[0] - times[1]).abs().sum() > 4  # more than what was cut off the ends


def test_no_labels_are_refused():
    with pytest.raises(LookalikeError, match="no labels"):
        balanced_order(torch.zeros(0, dtype=torch.int64), seed=0, epoch=0)
