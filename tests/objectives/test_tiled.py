"""NT-Xent over tiles equals the whole matrix, in value and gradient, and holds no matrix."""

import importlib
import math
import shutil
import warnings
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor

from lookalike.objectives import tiled
from lookalike.objectives.nt_xent import nt_xent
from lookalike.objectives.tiled import tiled_nt_xent


def loss_and_gradient(z_RP: Tensor, ids_R: Tensor, tau: float, tile: int | None) -> tuple[Tensor, Tensor]:
    z_RP = z_RP.clone().requires_grad_()
    loss = nt_xent(z_RP, ids_R, tau, tile)
    loss.backward()
    assert z_RP.grad is not None
    return loss.detach(), z_RP.grad


def some_rows(images: int, views: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images * views, 6, dtype=dtype, generator=generator), torch.arange(images).repeat(views)


@pytest.mark.parametrize("tile", [1, 3, 4, 10, 11, 100])
@pytest.mark.parametrize("tau", [1.0, 0.1, 0.01])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_tiles_that_divide_nothing_give_the_same(tile: int, tau: float, dtype: torch.dtype, close: float):
    z_RP, ids_R = some_rows(5, 2, dtype)
    loss, gradient = loss_and_gradient(z_RP, ids_R, tau, tile)
    wanted, wanted_gradient = loss_and_gradient(z_RP, ids_R, tau, None)
    assert float((loss - wanted).abs()) <= close * float(wanted.abs())
    assert float((gradient - wanted_gradient).abs().max()) <= close * float(wanted_gradient.abs().max())


def test_three_views_of_an_image():
    z_RP, ids_R = some_rows(4, 3, torch.float64)
    wanted, wanted_gradient = loss_and_gradient(z_RP, ids_R, 0.2, None)
    loss, gradient = loss_and_gradient(z_RP, ids_R, 0.2, 5)
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("tau", [0.5, 0.01])
def test_the_gradient_is_that_of_finite_differences(tau: float):
    z_RP, ids_R = some_rows(4, 2, torch.float64)
    assert torch.autograd.gradcheck(lambda z: nt_xent(z, ids_R, tau, 3), z_RP.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_low_temperature_and_equal_rows_do_not_overflow(dtype: torch.dtype):
    z_RP = torch.ones(10, 4, dtype=dtype) * 100
    loss, gradient = loss_and_gradient(z_RP, torch.arange(5).repeat(2), 0.01, 3)
    assert float(loss) == pytest.approx(math.log(9), rel=1e-5)
    assert bool(gradient.isfinite().all())


def test_opposite_rows_at_a_low_temperature_are_not_lost():
    """exp(-200) is no float32: a shift by the largest similarity that could be would lose these rows."""
    z_RP = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    loss, gradient = loss_and_gradient(z_RP, torch.tensor([0, 0]), 0.01, 1)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
    assert bool(gradient.isfinite().all())


def test_many_rows_are_tiled_without_being_asked(monkeypatch: pytest.MonkeyPatch):
    z_RP, ids_R = some_rows(5, 2, torch.float64)
    wanted, _ = loss_and_gradient(z_RP, ids_R, 0.5, None)
    dense_module = importlib.import_module("lookalike.objectives.nt_xent")  # the package has the function by that name
    monkeypatch.setattr(dense_module, "_DENSE_ROWS", {"cpu": 9})
    seen = []
    monkeypatch.setattr(dense_module, "tiled_nt_xent", lambda *given: seen.append(given) or tiled_nt_xent(*given))
    loss, _ = loss_and_gradient(z_RP, ids_R, 0.5, None)
    assert seen
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)


def quick_compiler() -> AbstractContextManager[None]:
    """PyTorch's compiler for two small functions: in this process, and without what pays for itself with many."""
    from torch._inductor import config

    return config.patch({"compile_threads": 1, "cpp_cache_precompile_headers": False, "cpp.vec_isa_ok": False})


@pytest.mark.parametrize("really", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_compiled_tiles_give_the_same(monkeypatch: pytest.MonkeyPatch, really: bool):
    """What a GPU computes by, here on the CPU: the functions as they are, and compiled."""
    if really and not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler for the CPU")
    z_RP, ids_R = some_rows(20, 2, torch.float64)
    wanted, wanted_gradient = loss_and_gradient(z_RP, ids_R, 0.5, 16)
    monkeypatch.setattr(tiled, "fuses", lambda u_RP: True)
    if not really:
        monkeypatch.setattr(tiled, "compiled", lambda function: function)
    with warnings.catch_warnings(), quick_compiler() if really else nullcontext():
        warnings.simplefilter("ignore")  # of the compiler's own
        loss, gradient = loss_and_gradient(z_RP, ids_R, 0.5, 16)
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("ids", [[0, 1, 2, 3, 4, 0, 1, 2, 3, 4], [7, 7, 3, 3, 3, 9, 9, 1, 1, 1]])
@pytest.mark.parametrize("length", [0.0, 1.0])
def test_a_row_of_length_zero_and_images_of_two_and_three_views(ids: list[int], length: float):
    z_RP, _ = some_rows(5, 2, torch.float64)
    z_RP[3] *= length
    ids_R = torch.tensor(ids)
    loss, gradient = loss_and_gradient(z_RP, ids_R, 0.5, 4)
    wanted, wanted_gradient = loss_and_gradient(z_RP, ids_R, 0.5, None)
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-12, atol=1e-14)


def test_a_tile_of_nothing_is_refused():
    z_RP, ids_R = some_rows(2, 2, torch.float64)
    with pytest.raises(ValueError, match="tile must be at least 1, got 0"):
        nt_xent(z_RP, ids_R, 0.5, tile=0)


@pytest.mark.parametrize("n", [*range(1, 10), 16, 31])
def test_rounds_hold_each_pair_once_and_no_number_twice(n: int):
    rounds = list(tiled._rounds(n))
    for pairs in rounds:
        numbers = [number for i, j in pairs for number in {i, j}]
        assert len(numbers) == len(set(numbers))
    pairs = sorted(pair for pairs in rounds for pair in pairs)
    assert pairs == [(i, j) for i in range(n) for j in range(i, n)]


@pytest.mark.parametrize("tau", [0.5, 0.01])
def test_the_bits_do_not_depend_on_the_number_of_threads(tau: float):
    z_RP = torch.randn(600, 32, generator=torch.Generator().manual_seed(1))
    ids_R = torch.arange(300).repeat(2)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(loss_and_gradient(z_RP, ids_R, tau, 64))
    finally:
        torch.set_num_threads(before)
    for loss, gradient in found[1:]:
        assert torch.equal(gradient, found[0][1])
        assert torch.equal(loss, found[0][0])
