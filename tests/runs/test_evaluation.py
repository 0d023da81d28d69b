"""evaluation.json keeps its flat keys on the way through the dataclasses."""

import pytest

from lookalike.runs.evaluation import Evaluation, GroupScores, Scores

GROUPS = {"accuracy": 0.5, "nmi": 0.4, "ari": -0.1, "purity": 0.6}
RECORD = {
    "knn": 0.9,
    "linear": 0.95,
    **{f"cluster.{key}": value for key, value in GROUPS.items()},
    **{f"cluster.spectral.{key}": value for key, value in GROUPS.items()},
    "pixels.knn": 0.8,
    "pixels.cluster.accuracy": 0.3,
    "random.linear": 0.7,
    "random.cluster.nmi": 0.2,
    "init.knn": 0.85,
    "classifier": 0.97,
    "protocol": {"test_rows": 360, "chance": 0.1, "k": 20},
    "few_labels": {"trained": {}},
    "finetune": {"labels": 10},
}


def test_a_record_comes_back_as_it_was():
    found = Evaluation.from_json(RECORD)
    assert found.to_json() == RECORD
    assert list(found.to_json()) == list(RECORD)


def test_figures_are_under_their_kind():
    found = Evaluation.from_json(RECORD)
    assert found.trained == Scores(0.9, 0.95, None, GroupScores(**GROUPS), GroupScores(**GROUPS))
    assert found.scores_of("pixels") == Scores(knn=0.8, cluster=GroupScores(0.3))
    assert (found.scores_of("pixels").groups, found.scores_of("random").linear, found.scores_of("random").knn) == (
        0.3,
        0.7,
        None,
    )
    assert found.scores_of("histograms") == Scores()
    assert (found.test_rows, found.chance, found.classifier) == (360, 0.1, 0.97)


@pytest.mark.parametrize("wrong", ["high", None, True, [0.5], {"mean": 0.5}])
def test_what_is_no_number_counts_as_not_measured(wrong: object):
    found = Evaluation.from_json({"knn": wrong, "linear": 0.5, "protocol": wrong, "cluster.accuracy": wrong})
    assert found.trained == Scores(linear=0.5)
    assert found.test_rows == 0 and found.chance is None


def test_the_penalty_is_in_the_scores_and_not_in_the_evaluation():
    scores = Scores(knn=0.5, penalty=0.01)
    assert scores.to_json() == {"knn": 0.5, "penalty": 0.01}
    assert Scores.from_json(scores.to_json()) == scores
    assert Evaluation({"trained": scores, "pixels": scores}).to_json() == {
        "knn": 0.5,
        "pixels.knn": 0.5,
        "protocol": {},
    }
