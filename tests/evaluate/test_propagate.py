"""A few labels along the graph of neighbours: where they get, what they are sure of, and what changes nothing."""

import math
from statistics import mean

import pytest
import torch

from lookalike.evaluate import propagate as module
from lookalike.evaluate.knn import knn_predict
from lookalike.evaluate.propagate import Graph, left_out_right, propagate


def rings(n: int = 300, classes: int = 3, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes that are long arcs on a sphere, each farther from its own end than from its neighbour's middle."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % classes
    angle = (torch.rand(n, generator=generator) - 0.5) * 2.6
    height = (label - (classes - 1) / 2) * 0.9
    x = torch.stack([angle.sin() * height.cos(), angle.cos() * height.cos(), height.sin()], 1)
    return x + 0.03 * torch.randn(n, 3, generator=generator), label


def test_labels_follow_the_shape_of_a_class_where_the_nearest_label_misleads():
    x, label = rings()
    ends = torch.stack([torch.nonzero(label == c)[:, 0][x[label == c][:, 0].argmax()] for c in range(3)])
    reached = (propagate(x, ends, label[ends], 3).argmax(1) == label).double().mean()
    nearest = (knn_predict(x[ends], label[ends], x, 1) == label).double().mean()
    assert reached > 0.97
    assert nearest < 0.9


def test_rows_are_probabilities_and_given_labels_stay():
    x, _ = rings()
    known = torch.tensor([0, 1, 2, 50])
    wrong = torch.tensor([0, 1, 2, 1])  # whatever a person says of an image is what it is called
    found = propagate(x, known, wrong, 3)
    assert found.shape == (300, 3) and found.dtype == torch.float32
    assert (found >= 0).all() and torch.allclose(found.sum(1), torch.ones(300), atol=1e-5)
    assert torch.equal(found[known], torch.eye(3)[wrong])


def test_what_it_is_sure_of_is_more_often_right():
    generator = torch.Generator().manual_seed(1)
    label = torch.arange(600) % 4
    x = 1.6 * torch.eye(8)[label] + 0.7 * torch.randn(600, 8, generator=generator)
    found = propagate(x, torch.arange(20), label[:20], 4)
    confidence, guess = found[20:].max(1)
    sure = confidence >= confidence.median()
    right = guess == label[20:]
    assert right[sure].double().mean() > right[~sure].double().mean() + 0.1


def test_the_order_of_rows_and_of_labels_changes_nothing():
    x, label = rings(120)
    known = torch.tensor([3, 4, 5, 60, 61])
    found = propagate(x, known, label[known], 3)
    turned = torch.randperm(120, generator=torch.Generator().manual_seed(0))
    place = torch.argsort(turned)
    again = propagate(x[turned], place[known.flip(0)], label[known.flip(0)], 3)
    assert torch.allclose(again, found[turned], atol=1e-4)


def test_the_same_call_gives_the_same_bits():
    x, label = rings(120)
    known = torch.arange(6)
    assert torch.equal(propagate(x, known, label[known], 3), propagate(x, known, label[known], 3))


def test_of_more_rows_than_a_graph_takes_a_sample_speaks_for_the_others():
    x, label = rings(600)
    known = torch.tensor([590, 591, 592, 100, 101, 102])
    whole = propagate(x, known, label[known], 3)
    part = propagate(x, known, label[known], 3, graph_rows=250)
    assert [len(Graph(x, known, graph_rows=rows).rows_M) for rows in (600, 250)] == [600, 250]
    assert torch.equal(part[known], whole[known])
    assert torch.allclose(part.sum(1), torch.ones(600), atol=1e-5)
    assert (part.argmax(1) == label).double().mean() > 0.95


def test_rows_that_no_path_leads_to_are_called_like_the_nearest_label_and_hardly_sure(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "NEIGHBOURS", 2)
    corner = torch.eye(6)[torch.arange(24) % 6]  # six heaps at right angles: no edge between them
    found = propagate(corner, torch.tensor([0, 1]), torch.tensor([0, 1]), 2)
    confidence = found.max(1).values
    assert found.isfinite().all()
    near = torch.arange(24) % 6 < 2
    assert (confidence[near] > 0.99).all()
    assert (confidence[~near] < 0.52).all()


@pytest.mark.parametrize("n", [2, 3, 5])
def test_collections_smaller_than_a_neighbourhood(n: int):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    found = propagate(x, torch.tensor([0, 1]), torch.tensor([0, 1]), 2)
    assert found.shape == (n, 2) and found.isfinite().all()
    assert math.isclose(float(found.sum()), n, rel_tol=1e-4)


def test_rows_of_zeros_are_no_hindrance():
    x, label = rings(60)
    x[7] = x.mean(0)
    assert propagate(x, torch.arange(3), label[:3], 3).isfinite().all()


def test_a_graph_serves_for_other_labels_too():
    x, label = rings(120)
    known = torch.arange(12)
    graph = module.Graph(x, known)
    for some in (known[:3], known[3:9]):
        assert torch.equal(graph.spread(some, label[some], 3), propagate(x, some, label[some], 3))


def test_labels_left_out_are_guessed_as_often_as_labels_of_others():
    generator = torch.Generator().manual_seed(2)
    label, known = torch.arange(2000) % 4, torch.arange(300)
    others, left_out = [], []
    for _ in range(4):
        x = 1.6 * torch.eye(8)[label] + 0.6 * torch.randn(2000, 8, generator=generator)
        others.append(float((propagate(x, known, label[known], 4).argmax(1) == label)[300:].double().mean()))
        left_out.append(left_out_right(x, known, label[known], 4))
    assert 0.8 < mean(others) < 0.97
    assert mean(left_out) == pytest.approx(mean(others), abs=0.03)  # a standard error is 0.01
    chance = label[torch.randperm(2000, generator=generator)]
    assert left_out_right(x, known, chance[known], 4) < 0.4
    assert left_out_right(x, known[:4], label[:4], 4) == 0  # one of each: nothing is left to spread


def test_where_the_graph_is_of_a_sample_labels_left_out_are_in_it():
    x, label = rings(900)
    known = torch.arange(100, 160)
    whole = left_out_right(x, known, label[known], 3)
    assert left_out_right(x, known, label[known], 3, graph_rows=300) == pytest.approx(whole, abs=0.1)
    assert whole > 0.9
