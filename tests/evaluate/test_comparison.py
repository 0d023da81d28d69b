"""Two accuracies differ by more than chance, or they do not."""

import numpy as np
import pytest

from lookalike.evaluate.comparison import chance, compared, training_paid
from lookalike.runs.evaluation import Evaluation, Scores


@pytest.mark.parametrize("images", [50, 1000])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.95])
def test_equal_networks_are_rarely_told_apart(p: float, images: int):
    drawn = np.random.default_rng(0).binomial(images, p, (4000, 2)) / images
    apart = np.mean([abs(a - b) > chance(a, b, images) for a, b in drawn])
    assert 0.005 < apart < 0.07


def test_a_large_difference_is_seen_and_nothing_is_certain_at_the_ends():
    assert chance(0.6, 0.7, 1000) < 0.1
    assert chance(0.6, 0.7, 50) > 0.1
    assert chance(1.0, 1.0, 10) > 0.1
    assert chance(0.2, 0.4, 100) == chance(0.4, 0.2, 100)


def found(now: float, before: float, images: int) -> Evaluation:
    figures = {"linear": now, "init.linear": before, "knn": now, "init.knn": before}
    return Evaluation.from_json({**figures, "protocol": {"test_rows": images}})


def test_the_three_answers():
    assert training_paid(found(0.8, 0.6, 500)).startswith("Training on these images paid")
    assert "did not pay" in training_paid(found(0.6, 0.8, 500))
    assert "cannot be told from 40 test images" in training_paid(found(0.8, 0.75, 40))
    assert "linear 80.0% against 60.0%, more than chance (± " in training_paid(found(0.8, 0.6, 500))


def test_nothing_is_said_without_the_weights_it_began_with():
    protocol = {"test_rows": 100}
    assert training_paid(Evaluation({"trained": Scores(0.4, 0.5)}, protocol)) == ""
    assert training_paid(None) == ""
    assert "kNN" in training_paid(Evaluation({"trained": Scores(0.9), "init": Scores(0.1)}, protocol))


def test_words_name_what_is_compared():
    assert (
        compared("knn", 0.5, 0.5, 100)
        == f"kNN 50.0% against 50.0%, which may be chance (± {chance(0.5, 0.5, 100):.1%})"
    )
