"""Defaults that a caller has set for its own tensors do not reach ours, and are there again afterwards."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import numpy as np
import pytest
import torch

from lookalike import SimCLR
from lookalike.clustering import KMeans
from lookalike.core.arithmetic import outside_autocast


@contextmanager
def _default(dtype: torch.dtype | None = None, device: str | None = None) -> Iterator[None]:
    if dtype is not None:
        torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 12, 12), dtype=np.uint8)


@pytest.fixture(scope="module")
def features(images: np.ndarray) -> np.ndarray:
    return _fit(images).transform(images)


def _fit(images: np.ndarray) -> SimCLR:
    return SimCLR(epochs=1, batch_size=20, width=8, precision="float32").fit(images)


@pytest.mark.parametrize("caller", [{"dtype": torch.float64}, {"device": "meta"}], ids=["float64", "device"])
def test_defaults_of_the_caller_change_no_training(
    images: np.ndarray, features: np.ndarray, caller: dict[str, object]
) -> None:
    with _default(**caller):  # type: ignore[arg-type]  # a table of arguments
        found = torch.get_default_dtype(), torch.get_default_device()
        model = _fit(images)
        there = model.transform(images)
        again = pickle.loads(pickle.dumps(model)).transform(images)
        groups = KMeans(3).fit(features)
        assert (torch.get_default_dtype(), torch.get_default_device()) == found
    assert np.array_equal(there, features)
    assert np.array_equal(again, features)
    assert np.array_equal(groups.predict(features), KMeans(3).fit(features).labels_)


def test_the_last_of_several_threads_puts_the_default_back() -> None:
    inside, leave = Event(), Event()

    @outside_autocast
    def long() -> None:
        inside.set()
        leave.wait(30)

    @outside_autocast
    def short() -> torch.dtype:
        return torch.get_default_dtype()

    with _default(torch.float64):
        thread = Thread(target=long)
        thread.start()
        inside.wait(30)
        assert short() == torch.float32
        assert torch.get_default_dtype() == torch.float32  # the other one still needs it
        leave.set()
        thread.join()
        assert torch.get_default_dtype() == torch.float64
