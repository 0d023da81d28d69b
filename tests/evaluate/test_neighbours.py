"""The share of the nearest that are of the same class."""

import torch

from lookalike.evaluate.neighbours import same_class_rate


def test_a_rate_counted_by_hand():
    bank = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 0])
    queries, asked = torch.tensor([[2.0, 0.05], [0.0, 3.0]]), torch.tensor([0, 1])
    assert same_class_rate(bank, labels, queries, asked, k=1) == 1.0
    assert same_class_rate(bank, labels, queries, asked, k=2) == 0.75  # 1 of 2, and 2 of 2
    assert same_class_rate(bank, labels, queries, asked, k=4) == 0.5


def test_without_classes_in_the_features_it_is_chance():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(4000, 16, generator=generator), torch.randint(5, (4000,), generator=generator)
    assert abs(same_class_rate(x[:3000], y[:3000], x[3000:], y[3000:]) - 0.2) < 0.01
