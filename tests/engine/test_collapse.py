"""Collapse is put in words, once; agreement with labels is that of the labelled images."""

import pytest
import torch

from lookalike.engine.collapse import CollapseDetector, label_agreement


def note(largest: int = 20, smallest: int = 5, previous: float | None = 0.6) -> dict:
    return {"nmi_previous": previous, "largest": largest, "smallest": smallest}


def test_nothing_clustered_is_nothing_said():
    assert CollapseDetector().see((), 100, None) == ("", "")


def test_a_good_clustering_is_described_and_not_warned_of():
    assert CollapseDetector().see([note()], 100, None) == ("  clusters of 5 to 20, NMI 0.60 with those before", "")
    words, _ = CollapseDetector().see([note(1234, 5, None)], 10_000, 0.456)
    assert words == "  clusters of 5 to 1,234, 0.46 with labels"


def test_of_several_heads_the_extremes_and_the_mean_are_told():
    words, _ = CollapseDetector().see([note(20, 5, 0.5), note(30, 7, 0.7)], 100, None)
    assert words == "  clusters of 5 to 30, NMI 0.60 with those before"


def test_half_of_the_images_in_one_cluster_are_a_collapse_and_the_remedy_is_named():
    _, warning = CollapseDetector().see([note(51)], 100, None)
    assert warning.startswith("collapsing: one cluster holds 51 of 100 images")
    assert "--n-clusters" in warning
    assert CollapseDetector().see([note(50)], 100, None)[1] == ""


def test_a_collapse_is_said_once_and_again_after_it_was_over():
    detector = CollapseDetector()
    warned = [bool(detector.see([note(largest)], 100, None)[1]) for largest in (90, 95, 20, 20, 90, 90)]
    assert warned == [True, False, False, False, True, False]


def test_clusterings_that_share_nothing_three_times_are_a_collapse():
    detector = CollapseDetector()
    warnings = [detector.see([note(previous=p)], 100, None)[1] for p in (None, 0.01, 0.02, 0.04, 0.03, 0.5)]
    assert [bool(warning) for warning in warnings] == [False, False, False, True, False, False]
    assert "the last 3 clusterings have nothing in common" in warnings[3]
    assert "--every" in warnings[3]


def test_one_related_clustering_starts_the_count_again():
    detector = CollapseDetector()
    for previous in (0.01, 0.01, 0.06, 0.01, 0.01):
        assert detector.see([note(previous=previous)], 100, None)[1] == ""
    assert detector.unrelated == 2


def test_one_head_that_goes_on_is_enough():
    detector = CollapseDetector()
    for _ in range(4):
        assert detector.see([note(previous=0.01), note(previous=0.5)], 100, None)[1] == ""


def test_the_first_clustering_is_not_counted():
    detector = CollapseDetector()
    detector.see([note(previous=None)], 100, None)
    assert detector.unrelated == 0


def test_another_kind_of_collapse_is_said_too():
    detector = CollapseDetector()
    assert "one cluster" in detector.see([note(90, previous=0.01)], 100, None)[1]
    detector.see([note(90, previous=0.01)], 100, None)
    assert "nothing in common" in detector.see([note(20, previous=0.01)], 100, None)[1]


def test_agreement_is_that_of_the_labelled_images():
    labels = torch.tensor([0, 0, 1, 1, -1, -1])
    assert label_agreement(torch.tensor([5, 5, 2, 2, 5, 2]), labels) == 1.0
    assert label_agreement(torch.tensor([5, 2, 5, 2, 5, 2]), labels) == 0.0
    assert label_agreement(torch.tensor([0, 0, 1, 2, 5, 2]), labels) == pytest.approx(0.8)


@pytest.mark.parametrize("labels", [None, torch.tensor([-1, -1])])
def test_without_labels_there_is_no_agreement(labels: torch.Tensor | None):
    assert label_agreement(torch.tensor([0, 1]), labels) is None
