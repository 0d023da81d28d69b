"""clusters.json keeps its keys on the way through the dataclass."""

import pytest

from lookalike.runs.clusters import ClusterRecord, ScoreOfK
from lookalike.runs.evaluation import GroupScores

SCORES = [{"k": k, "stability": 0.5, "silhouette": 0.25, "total": 0.75} for k in (2, 3)]
AGREEMENT = {"accuracy": 0.5, "nmi": 0.4, "ari": -0.1, "purity": 0.6}
RECORD = {
    "way": "spectral",
    "seed": 3,
    "features": "pixels",
    "scores": SCORES,
    "restarts": 4,
    "k": 2,
    "sizes": [5, 1],
    "labelled": 6,
    **AGREEMENT,
}


def test_a_record_comes_back_as_it_was():
    record = ClusterRecord.from_json(RECORD)
    assert list(record.to_json().items()) == list(RECORD.items())
    assert (record.method, record.k, record.sizes, record.features) == ("spectral", 2, [5, 1], "pixels")
    assert record.scores == [ScoreOfK(2, 0.5, 0.25, 0.75), ScoreOfK(3, 0.5, 0.25, 0.75)]
    assert record.agreement == GroupScores(**AGREEMENT)


def test_what_was_not_asked_for_is_not_in_the_file():
    assert ClusterRecord("kmeans", 0, 2, [1, 1]).to_json() == {"way": "kmeans", "seed": 0, "k": 2, "sizes": [1, 1]}


@pytest.mark.parametrize("wrong", [None, -1, [{}], {"k": 2}])
def test_values_of_the_wrong_kind_are_not_known(wrong: object):
    assert ClusterRecord.from_json({key: wrong for key in RECORD if key not in AGREEMENT}) == ClusterRecord()
