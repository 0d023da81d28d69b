"""Groups within the time that is left: fewer restarts, and never none."""

import math

import pytest
import torch

from lookalike.engine import clustering
from lookalike.evaluate.clusters import RESTARTS


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Restarts of each grouping that was made; one restart takes two seconds."""
    asked: list[int] = []

    def groups(way: str, x_ND: torch.Tensor, k: int, seed: int, restarts: int = RESTARTS):
        asked.append(restarts)
        return torch.zeros(len(x_ND), dtype=torch.int64), None

    monkeypatch.setattr(clustering, "groups", groups)
    monkeypatch.setattr(clustering, "timed", lambda work: (work(), 2.0))
    return asked


@pytest.mark.parametrize(
    ("left", "restarts", "calls"),
    [
        (math.inf, RESTARTS, [RESTARTS]),
        (1e6, RESTARTS, [1, RESTARTS]),
        (9.0, 4, [1, 4]),
        (2.0, 1, [1]),
        (-50.0, 1, [1]),
    ],
)
def test_as_many_restarts_as_there_is_time_for(made: list[int], left: float, restarts: int, calls: list[int]):
    rows = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    labels_N, count = clustering._grouped(rows, 3, "kmeans", 0, lambda: left)
    assert (count, made, len(labels_N)) == (restarts, calls, 20)
