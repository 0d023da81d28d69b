"""Looks keep their keys of metrics.jsonl on the way through the dataclass."""

import math

import pytest

from lookalike.runs.looks import LookRecord, last_of_each_kind, looks_in

MEASURED = {
    "retrieval": 0.5,
    "effective_rank": 9.5,
    "positive_cosine": 0.25,
    "images": 90,
    "dimensions": 16,
    "knn": None,
    "closest": 0.75,
    "like_pixels": None,
}
LINE = {"epoch": 2, "of": "network", **MEASURED, "verdict": "healthy: views.", "by_labels": ""}


def test_a_line_comes_back_as_it_was():
    look = LookRecord.from_json({"event": "look", "step": 30, **LINE})
    assert list(look.to_json().items()) == list(LINE.items())
    assert (look.kind, look.step, look.retrieval, look.closest, look.knn) == ("network", 30, 0.5, 0.75, None)
    assert list(look.measured().items()) == list(MEASURED.items())


def test_a_look_at_pixels_has_no_sentences():
    look = LookRecord.from_json({"event": "look", "step": 0, "epoch": 0, "of": "pixels", **MEASURED})
    assert list(look.to_json()) == ["epoch", "of", *MEASURED]


@pytest.mark.parametrize("value", ["high", [0.5], True, None])
def test_what_is_no_number_was_not_measured(value: object):
    look = LookRecord.from_json({"of": "network", "retrieval": value, "images": value, "verdict": 3})
    assert look == LookRecord("network")


def test_a_rank_that_is_not_finite_stays_so():
    assert math.isnan(LookRecord.from_json({"of": "network", "effective_rank": math.nan}).effective_rank or 0.0)


def test_looks_are_taken_from_the_events():
    events = [
        {"event": "epoch", "step": 5, "of": "network"},
        {"event": "look", "step": 0, "of": "pixels", "retrieval": 0.1},
        {"event": "look", "step": 5, "of": "network", "retrieval": 0.2},
        {"event": "look", "step": 9, "of": "network", "retrieval": 0.3},
    ]
    looks = looks_in(events)
    assert [look.retrieval for look in looks] == [0.1, 0.2, 0.3]
    assert {kind: look.step for kind, look in last_of_each_kind(looks).items()} == {"pixels": 0, "network": 9}
