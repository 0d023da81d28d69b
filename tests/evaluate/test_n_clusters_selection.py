"""The proposal for a number of groups: right where there is a right answer, and the same every time."""

from functools import partial

import pytest
import torch

from lookalike.core.errors import LookalikeError
from lookalike.evaluate import n_clusters_selection
from lookalike.evaluate.clusters import GROUPING_METHODS
from lookalike.evaluate.n_clusters_selection import CANDIDATES, Score, fitting_candidates, propose

score_k = partial(n_clusters_selection.score_k, pairs=1)
"""What is judged here is clear enough for one pair of halves."""


def blobs(n: int, k: int, seed: int = 0) -> torch.Tensor:
    """n rows in k clear groups."""
    noise = torch.randn(n, 16, generator=torch.Generator().manual_seed(seed))
    return 4 * torch.eye(16)[torch.arange(n) % k] + 0.5 * noise


@pytest.mark.parametrize("way", GROUPING_METHODS)
@pytest.mark.parametrize(("k", "candidates"), [(3, (2, 3, 5)), (7, (5, 7, 8))])
def test_clear_groups_are_proposed(way: str, k: int, candidates: tuple[int, ...]):
    scores = score_k(blobs(168, k), way, candidates=candidates)
    best = propose(scores)
    assert best.k == k
    assert best.stability > 0.98
    assert best.silhouette > 0.5


def test_too_many_groups_are_less_stable_and_too_few_less_apart():
    two, three, six = score_k(blobs(120, 3), "kmeans", candidates=(2, 3, 6))
    assert six.stability < 0.8 < three.stability
    assert two.silhouette < three.silhouette


def test_noise_is_stable_at_no_number():
    x = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    assert all(score.total < 0.6 for score in score_k(x, "kmeans", candidates=(5,)))


def test_it_is_a_function_of_its_seed():
    x = torch.randn(80, 8, generator=torch.Generator().manual_seed(0))
    first = score_k(x, "kmeans", seed=1, candidates=(4,))
    torch.rand(3)
    assert score_k(x, "kmeans", seed=1, candidates=(4,)) == first
    assert score_k(x, "kmeans", seed=2, candidates=(4,)) != first


def test_candidates_are_what_the_number_of_rows_allows():
    assert fitting_candidates(2000) == list(CANDIDATES)
    assert fitting_candidates(100) == [2, 3, 4, 5]
    assert [score.k for score in score_k(blobs(10, 3), "kmeans")] == [2]


@pytest.mark.parametrize("way", GROUPING_METHODS)
def test_four_images_can_be_asked_about(way: str):
    (score,) = score_k(blobs(4, 2), way)
    assert score.k == 2
    assert -1 <= score.stability <= 1


@pytest.mark.parametrize("way", GROUPING_METHODS)
def test_too_few_images_for_two_halves_are_refused_in_words(way: str):
    with pytest.raises(LookalikeError, match="cannot make 2 (groups|clusters) of 1"):
        score_k(blobs(3, 2), way)


def test_of_equals_the_smaller_number_is_proposed():
    scores = [Score(5, 0.5, 0.5), Score(3, 0.75, 0.25), Score(9, 0.25, 0.75), Score(2, 0.1, 0.1)]
    assert propose(scores).k == 3


def test_candidates_ascend():
    assert list(CANDIDATES) == sorted(set(CANDIDATES))
    assert CANDIDATES[0] == 2


def test_where_time_is_short_numbers_that_lie_far_apart_are_tried():
    x, asked = blobs(600, 3), []

    def left() -> float:
        asked.append(1)
        return 1e9 if len(asked) < 5 else -1.0  # the first question decides on pairs

    scores = score_k(x, "kmeans", left=left)
    assert len(scores) == 4
    assert [score.k for score in scores] == sorted(score.k for score in scores)
    assert scores == [score for score in score_k(x, "kmeans") if score.k in {score.k for score in scores}]
    (one,) = score_k(x, "kmeans", left=lambda: -1.0)
    assert 2 < one.k < 30


def test_a_number_that_would_take_longer_than_is_left_is_passed_over(monkeypatch):
    clock, tried = [0.0], []

    def scored(x, k, way, seed, pairs):
        tried.append(k)
        clock[0] += k  # seconds: as long as it is large
        return Score(k, 0.0, 0.0)

    monkeypatch.setattr(n_clusters_selection, "_score", scored)
    monkeypatch.setattr(n_clusters_selection, "timed", lambda work: (work(), float(tried[-1])))
    score_k(blobs(600, 3), "kmeans", left=lambda: 40.0 - clock[0])
    assert clock[0] <= 40.0
    assert len(tried) > 3
