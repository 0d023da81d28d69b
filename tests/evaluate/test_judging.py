"""The verdict: the rules on made figures, and the sentence that labels give."""

import math

import pytest
import torch

from lookalike.evaluate.comparison import by_labels
from lookalike.evaluate.health import Health, measure
from lookalike.evaluate.judging import Evidence, verdict
from lookalike.runs.looks import LookRecord


def features(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def only_word(sentence):
    return sentence.split(":")[0]


def judged(now, untrained=None, pixels=None, loss=None, chance=None, **more):
    return verdict(Evidence(now, untrained or health(0.4), pixels or health(0.2), loss, chance, **more))


def health(retrieval, rank=30.0, images=1000):
    return Health(retrieval, rank, 0.8, images, 128)


@pytest.mark.parametrize(
    ("now", "loss", "word"),
    [
        (health(0.9), 2.0, "healthy"),
        (health(0.9), None, "healthy"),
        (health(0.3), 6.0, "not learning"),  # fewer than untrained, though the loss is well below chance
        (health(0.42), 2.0, "not learning"),  # by chance as often as untrained
        (health(0.5), 2.0, "unproven"),  # more often, but hardly
        (health(0.9, rank=1.3), 2.0, "collapsed"),
        (health(0.0, rank=0.0), 6.93, "collapsed"),
        (health(0.0, rank=math.nan), math.nan, "collapsed"),
        (health(0.9), 6.93, "not learning"),
        (health(0.001), 2.0, "not learning"),
        (health(0.001), None, "not learning"),
    ],
)
def test_verdict(now, loss, word):
    chance = None if loss is None else 6.93
    sentence = judged(now, loss=loss, chance=chance)
    assert sentence.startswith(f"{word}: ")
    assert f"in {now.retrieval:.1%} of cases (pixels 20.0%, untrained 40.0%, chance 0.1%)" in sentence
    assert ("Try " in sentence) == (word != "healthy")
    assert sentence.count("Try ") <= 1


@pytest.mark.parametrize(
    ("more", "option"),
    [
        ({"distinct": 0.1, "images": 40, "crop_min": 0.01}, "leaving one of each"),
        ({"images": 60, "crop_min": 0.01}, "--init"),
        ({"images": 60, "distinct": 0.9}, "--init"),
        ({"images": 5000, "crop_min": 0.02}, "--crop-min 0.2"),
        ({"losses": (8.1, 6.93)}, "a lower learning rate (--lr)"),
        ({"losses": (6.5, 5.0, 6.93)}, "a lower learning rate (--lr)"),
        ({"losses": (6.94, 6.93), "earlier": (0.01, 0.1, 0.3)}, "more epochs (--epochs)"),
        ({"earlier": (0.9, 0.9, 0.9)}, "a higher learning rate (--lr)"),
    ],
)
def test_the_remedy_fits_the_cause(more, option):
    sentence = judged(health(0.9), loss=6.93, chance=6.95, **{"earlier": (0.9, 0.9), **more})
    assert sentence.startswith("not learning: the loss is that of guessing")
    assert option in sentence.split("Try ")[1]


def test_a_collapse_comes_of_the_rate():
    sentence = judged(health(0.9, rank=1.2), loss=3.0, chance=6.95, earlier=(0.1, 0.2), images=5000)
    assert "Try a lower learning rate (--lr) and a longer warm-up (--warmup)." in sentence


def test_views_are_no_measure_of_a_training_with_labels():
    assert judged(health(0.001), loss=0.4, chance=2.3, learns_labels=True).startswith("healthy")
    assert judged(health(0.001), loss=2.3, chance=2.3, learns_labels=True).startswith("not learning")


def test_evidence_is_read_from_the_events_of_a_run():
    def look(of, retrieval):
        return LookRecord(of, 1, 1, retrieval, 9.0, 0.5, images=90, dimensions=16)

    looks = {of: look(of, value) for of, value in (("network", 0.5), ("untrained", 0.2), ("pixels", 0.1))}
    found = Evidence.of_looks(
        looks, [look("network", 0.3)], [{"loss": 5.0, "chance_loss": 6.0}, {"loss": 4.0, "chance_loss": 6.0}]
    )
    assert (found.loss, found.chance, found.losses, found.earlier) == (4.0, 6.0, (5.0, 4.0), (0.3,))
    assert found.now.retrieval == 0.5 and found.untrained.retrieval == 0.2 and found.pixels.retrieval == 0.1
    assert found.now.images == 90 and found.now.dimensions == 16


def test_verdict_on_measured_features():
    x = features(500, 32)
    untrained, pixels = measure(x, x + 2 * features(500, 32, 1)), measure(x, x + 3 * features(500, 32, 2))
    good, same = measure(x, x + 0.1 * features(500, 32, 3)), features(1, 32).expand(500, 32)
    broken = torch.full((500, 32), math.nan)
    assert judged(good, untrained, pixels, 3.0, 6.2).startswith("healthy")
    assert judged(measure(same, same), untrained, pixels, 6.2, 6.2).startswith("collapsed")
    assert judged(measure(broken, broken), untrained, pixels, math.nan, 6.2).startswith("collapsed")
    assert judged(measure(x, features(500, 32, 4)), untrained, pixels, 6.2, 6.2).startswith("not learning")


def test_verdict_gives_the_figures():
    sentence = judged(health(0.5, rank=12.34), health(0.1), health(0.2), loss=3.25, chance=6.93)
    assert "effective rank 12.3 of 128" in sentence and "loss 3.25 against 6.93 at chance" in sentence
    assert "among 1,000" in sentence


def test_pseudo_labels_that_change_keep_the_loss_near_chance_and_that_is_no_failure():
    """A DeepCluster run whose kNN rose from 48 to 60 % was called "not learning"."""
    found = {"now": health(0.4), "untrained": health(0.1), "loss": 4.55, "chance": 4.61}
    assert judged(**found).startswith("not learning")
    assert judged(**found, targets_change=True).startswith("healthy")


def test_labels_say_what_the_sentence_without_them_cannot_know():
    """A network was called "healthy" alone whose kNN was below that of the untrained one and of pixels."""
    said = by_labels(0.861, {"pixels": 0.978, "histograms": 0.87, "untrained": 0.900}, 1000)
    assert said == (
        "By the labels, kNN 86.1% is below that of pixels (97.8%) and the untrained network (90.0%): "
        "these would serve better."
    )
    assert by_labels(0.07, {"pixels": 0.05, "untrained": 0.071}, 500).startswith("By the labels, kNN 7.0% is no better")
    better = by_labels(0.6, {"pixels": 0.4, "histograms": 0.45, "untrained": 0.48}, 1000)
    assert better == (
        "By the labels, kNN 60.0% is better than that of pixels (40.0%), histograms (45.0%) and the untrained "
        "network (48.0%)."
    )


@pytest.mark.parametrize(("knn", "images"), [(None, 1000), (0.5, 0)])
def test_without_labels_nothing_is_said_of_them(knn, images):
    assert by_labels(knn, {"pixels": 0.4}, images) == ""
    assert by_labels(0.5, {}, 100) == ""


def test_more_often_than_pixels_too():
    assert only_word(judged(health(0.3), health(0.1), pixels=health(0.28))) == "unproven"
    assert only_word(judged(health(0.31), health(0.1), pixels=health(0.2))) == "healthy"
    assert only_word(judged(health(0.99), health(0.98), pixels=health(0.6))) == "unproven"  # views that teach nothing


@pytest.mark.parametrize(
    ("now", "like", "word"),
    [
        (0.45, None, "healthy"),
        (0.45, (0.25, 0.39), "unproven"),  # mirrored digits: kNN falls from 0.85 to 0.79
        (0.45, (0.45, 0.39), "unproven"),  # they lie so alike that pixels know them
        (0.75, (0.45, 0.39), "healthy"),  # but so far ahead
        (0.75, (0.30, 0.39), "unproven"),
        (0.45, (0.17, 0.21), "healthy"),  # photos: what lies where means little
    ],
)
def test_where_images_lie_alike_more_is_asked(now, like, word):
    sentence = judged(health(now), health(0.19), pixels=health(0.22), like_pixels=like)
    assert only_word(sentence) == word


@pytest.mark.parametrize(("now", "word"), [(0.69, "unproven"), (0.86, "unproven"), (0.9, "healthy")])
def test_weak_views_show_little_unless_nearly_all_are_found(now, word):
    """Fruit, mirrored and cropped: 69 % of the views are found, 42 % by pixels; kNN is 0.19, theirs 0.30."""
    sentence = judged(health(now), health(0.32), pixels=health(0.42), earlier=(now, now))
    assert only_word(sentence) == word
    assert ("Pixels find many views too" in sentence) == (word == "unproven")


def test_clusters_may_fit_although_views_are_told_apart_no_better():
    """Cells by DeepCluster: views 1 % before and after, kNN 0.80 before and 0.95 after."""
    found = {"now": health(0.01), "untrained": health(0.01), "loss": 4.0, "chance": 4.61}
    assert judged(**found).startswith("not learning")
    assert judged(**found, targets_change=True).startswith("unproven")


def test_copies_are_found_by_what_tells_nothing_else_apart():
    assert only_word(judged(health(0.9), distinct=0.04)) == "unproven"
    assert only_word(judged(health(0.9), distinct=0.9)) == "healthy"
