"""Images to label next: typical, of different parts, none twice and none that has a label."""

import torch

from lookalike.evaluate.typiclust import typical_rows

NONE = torch.empty(0, dtype=torch.int64)


def heaps(sizes: list[int], spread: float = 0.15, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Heaps of rows in directions of their own, and the heap of each row."""
    of = torch.cat([torch.full((size,), k) for k, size in enumerate(sizes)])
    noise = torch.randn(len(of), 16, generator=torch.Generator().manual_seed(seed))
    return 2 * torch.eye(16)[of] + spread * noise, of


def test_every_heap_is_named_once_the_largest_first():
    x, of = heaps([30, 90, 60, 45])
    chosen = typical_rows(x, 4, NONE)
    assert of[chosen].tolist() == [1, 2, 3, 0]


def test_what_is_named_is_typical_of_its_heap():
    x, of = heaps([100, 100], spread=0.3)
    x[7] = 2 * torch.eye(16)[0] + 1.2  # at the edge of its heap
    for row in typical_rows(x, 2, NONE).tolist():
        unit = torch.nn.functional.normalize(x - x.mean(0), dim=1)
        heap = (of == of[row]).nonzero()[:, 0]
        likeness = (unit[heap] @ unit[heap].T).mean(1)
        assert (likeness <= likeness[heap.tolist().index(row)]).double().mean() > 0.9


def test_heaps_that_have_a_label_are_not_asked_for_first():
    x, of = heaps([90, 60, 45, 30])
    assert of[typical_rows(x, 2, torch.tensor([0, 95]))].tolist() == [2, 3]
    assert of[typical_rows(x, 2, torch.tensor([155, 200]))].tolist() == [0, 1]


def test_none_is_named_twice_and_all_that_are_left_are_named_in_the_end():
    x, _ = heaps([12, 9])
    labelled = torch.tensor([0, 15])
    chosen = typical_rows(x, 50, labelled).tolist()
    assert sorted([*chosen, 0, 15]) == list(range(21))
    assert len(typical_rows(x, 5, torch.arange(21))) == 0


def test_the_seed_decides_and_nothing_else():
    x, _ = heaps([80] * 3, spread=0.8)
    assert torch.equal(typical_rows(x, 20, NONE, seed=3), typical_rows(x, 20, NONE, seed=3))
    assert not torch.equal(typical_rows(x, 20, NONE, seed=3), typical_rows(x, 20, NONE, seed=4))


def test_copies_of_an_image_are_one_part():
    x, of = heaps([40, 40, 40], spread=0.0)
    assert sorted(of[typical_rows(x, 3, NONE)].tolist()) == [0, 1, 2]
    assert len(set(typical_rows(x, 9, NONE).tolist())) == 9


def test_of_a_large_collection_a_sample_is_looked_at():
    x, of = heaps([120, 90, 60, 200])
    chosen = typical_rows(x, 2, torch.tensor([0, 300]), most_rows=100)
    assert sorted(of[chosen].tolist()) == [1, 2]
    assert not set(chosen.tolist()) & {0, 300}
    assert len(set(typical_rows(x, 400, torch.tensor([0]), most_rows=100).tolist())) == 400
