"""Features averaged over their surroundings."""

import pytest
import torch

from lookalike.evaluate.few_shot import drawn, knn_of_few
from lookalike.evaluate.smooth import smoothed


def noisy(n: int = 400, spread: float = 0.9, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.arange(n) % 4
    noise = torch.randn(n, 32, generator=torch.Generator().manual_seed(seed))
    return 4 * torch.eye(32)[label] + spread * noise, label


def test_one_label_a_class_says_more_of_smoothed_rows():
    x, label = noisy(spread=1.4)
    bank, query = x[:300], x[300:]
    reached = {}
    for steps in (0, 2):
        near, far = smoothed(bank, query, steps)
        each = []
        for seed in range(10):
            known = drawn(label[:300], torch.arange(300), 1, seed)
            guess = knn_of_few(near[known], label[known], near, far)
            each.append(float((guess == label[300:]).double().mean()))
        reached[steps] = sum(each) / len(each)
    assert reached[2] > reached[0] + 0.05, reached


def test_rows_have_length_one_and_queries_do_not_see_each_other():
    x, _ = noisy()
    bank, query = smoothed(x[:300], x[300:])
    assert bank.shape == (300, 32) and query.shape == (100, 32)
    assert torch.allclose(query.norm(dim=1), torch.ones(100), atol=1e-5)
    for rows in ([0], [7, 3], list(range(99, -1, -1))):
        _, alone = smoothed(x[:300], x[300:][rows])
        assert torch.allclose(alone, query[rows], atol=1e-5)


def test_a_row_of_the_bank_that_is_asked_for_too_is_the_same():
    x, _ = noisy()
    bank, query = smoothed(x, x[:5])
    assert torch.allclose(query, bank[:5], atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 19])
def test_banks_smaller_than_a_neighbourhood(n: int):
    x, _ = noisy(40)
    bank, query = smoothed(x[:n], x)
    assert bank.isfinite().all() and query.isfinite().all()


def test_no_steps_leave_the_rows():
    x, _ = noisy(40)
    bank, _ = smoothed(x, x, steps=0)
    assert torch.allclose(bank, torch.nn.functional.normalize(x - x.mean(0), dim=1))
