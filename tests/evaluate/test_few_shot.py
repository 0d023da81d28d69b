"""Pins accuracy from few labels: averaged over drawings, scored on the images that were not drawn."""

import pytest
import torch

from lookalike.evaluate import few_shot
from lookalike.evaluate.few_shot import drawn, drawn_share, few_shot_accuracy, knn_of_few, linear_of_few


def noise(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_separate_classes_need_one_label_each():
    labels = torch.arange(60) % 5
    x = 20 * torch.eye(5)[labels] + noise(60, 5)
    assert few_shot_accuracy(x, labels, draws=20) == (1.0, 0.0)


@pytest.mark.parametrize("per_class", [1, 5])
def test_random_features_give_chance_because_drawn_images_are_not_scored(per_class):
    labels = torch.arange(40) % 4
    scores = [few_shot_accuracy(noise(40, 16, seed), labels, per_class, draws=10, seed=seed)[0] for seed in range(30)]
    # Scored on all images, those drawn would lift the mean to 0.33 (one label each) or 0.6 (five).
    assert sum(scores) / 30 == pytest.approx(9 / 39, abs=0.03)  # of the other 39 images, 9 have the same label


def test_a_drawing_takes_so_many_of_each_class(monkeypatch):
    labels, banks = torch.tensor([0] * 5 + [1] * 20 + [3] * 10), []
    predict = few_shot.knn_predict

    def spy(bank, bank_labels, query, k):
        banks.append((bank, bank_labels, query, k))
        return predict(bank, bank_labels, query, k=k)

    monkeypatch.setattr(few_shot, "knn_predict", spy)
    x = torch.arange(1.0, 36)[:, None] * torch.ones(2)
    few_shot_accuracy(x, labels, per_class=3, draws=4)
    for bank, bank_labels, query, k in banks:
        assert bank_labels.tolist() == [0, 0, 0, 1, 1, 1, 3, 3, 3] and k == 1
        rows = (bank[:, 0] - 1).long()
        assert torch.equal(labels[rows], bank_labels)
        assert sorted([*bank[:, 0].tolist(), *query[:, 0].tolist()]) == x[:, 0].tolist()
    assert len({tuple(bank[:, 0].tolist()) for bank, *_ in banks}) == 4  # the drawings differ


def test_mean_and_deviation_over_drawings(monkeypatch):
    labels, x = torch.arange(40) % 4, noise(40, 3)
    x += 1.5 * torch.eye(4)[labels][:, :3]
    scores = []
    predict = few_shot.knn_predict

    def spy(bank, bank_labels, query, k):
        predicted = predict(bank, bank_labels, query, k=k)
        truth = [int(labels[(x == row).all(1)]) for row in query]
        scores.append(sum(p == t for p, t in zip(predicted.tolist(), truth, strict=True)) / len(truth))
        return predicted

    monkeypatch.setattr(few_shot, "knn_predict", spy)
    mean, deviation = few_shot_accuracy(x, labels, draws=12)
    assert mean == pytest.approx(sum(scores) / 12)
    assert deviation == pytest.approx((sum((s - mean) ** 2 for s in scores) / 12) ** 0.5)
    assert deviation > 0


def test_the_seed_decides():
    labels, x = torch.arange(40) % 4, noise(40, 3)
    assert few_shot_accuracy(x, labels, draws=5, seed=1) == few_shot_accuracy(x, labels, draws=5, seed=1)
    assert few_shot_accuracy(x, labels, draws=5, seed=1) != few_shot_accuracy(x, labels, draws=5, seed=2)


def test_more_labels_help():
    labels = torch.arange(200) % 4
    x = 2 * torch.eye(4)[labels] + noise(200, 4)
    one, ten = (few_shot_accuracy(x, labels, per_class, draws=20)[0] for per_class in (1, 10))
    assert 0.25 < one < ten


LABELS = torch.tensor([0] * 50 + [1] * 20 + [3] * 4)


def test_drawn_rows_are_so_many_of_each_class_and_of_the_rows_given():
    rows = torch.arange(0, 74, 2)
    for per_class in (1, 2, 5):
        found = drawn(LABELS, rows, per_class, seed=3)
        assert set(found.tolist()) <= set(rows.tolist())
        assert torch.bincount(LABELS[found], minlength=4).tolist() == [per_class, per_class, 0, min(2, per_class)]


def test_fewer_drawn_rows_are_among_more_and_seeds_differ():
    rows = torch.arange(74)
    one, five = (set(drawn(LABELS, rows, k, seed=0).tolist()) for k in (1, 5))
    assert one < five
    assert len({tuple(drawn(LABELS, rows, 1, seed).tolist()) for seed in range(20)}) > 10


def test_a_share_is_taken_of_each_class_and_at_least_one():
    rows = torch.arange(74)
    tenth = drawn_share(LABELS, rows, 0.1, seed=1)
    assert torch.bincount(LABELS[tenth], minlength=4).tolist() == [5, 2, 0, 1]
    assert set(drawn_share(LABELS, rows, 0.01, seed=1).tolist()) < set(tenth.tolist())
    assert sorted(drawn_share(LABELS, rows, 1.0, seed=1).tolist()) == rows.tolist()


@pytest.mark.parametrize("predict", [knn_of_few, linear_of_few])
def test_classes_are_told_apart_though_all_features_lean_one_way(predict):
    labels = torch.arange(200) % 4
    x = 30 + 3 * torch.eye(4)[labels] + 0.5 * noise(200, 4)
    found = predict(x[:4], labels[:4], x, x[4:])
    assert (found == labels[4:]).double().mean() > 0.95


@pytest.mark.parametrize("predict", [knn_of_few, linear_of_few])
def test_scale_of_features_means_nothing(predict):
    labels = torch.arange(80) % 4
    x = 2 * torch.eye(4)[labels] + noise(80, 4)
    assert torch.equal(predict(x[:8], labels[:8], x, x), predict(64 * x[:8], labels[:8], 64 * x, 64 * x))
