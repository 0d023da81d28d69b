"""Random numbers as a function of (seed, purpose, epoch, image, view).

A counter-based generator: a number is computed from where it is used and never drawn from a hidden
state. So a resumed run sees what an uninterrupted one would have seen, an image's augmentation does
not depend on who shares its batch, and every device and process draws the same.

The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable
pseudorandom number generators"), applied once per coordinate.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor

from lookalike.core.torchscript import torchscript

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: SplitMix64's counter increment
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_MASK = (1 << 64) - 1


def _signed(value: int) -> int:
    """The int64 with the same 64 bits, since torch has no full set of uint64 operations."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _mix_int(x: int) -> int:
    x = ((x ^ (x >> 30)) * _MIX_1) & _MASK
    x = ((x ^ (x >> 27)) * _MIX_2) & _MASK
    return x ^ (x >> 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift: torch shifts int64 arithmetically, so the sign bits are masked off."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * -0x40A7B892E31B1A47  # _MIX_1 as an int64; TorchScript knows no constants of a module
    x = (x ^ _shift(x, 27)) * -0x6B2FB644ECCEEE15  # _MIX_2, likewise
    return x ^ _shift(x, 31)


def derive(seed: int, purpose: str, *coordinates: int) -> int:
    """A 63-bit seed for one purpose, for libraries that want a seed of their own."""
    state = _mix_int((seed + _GOLDEN) & _MASK)
    for value in (zlib.crc32(purpose.encode()), *coordinates):
        state = _mix_int((state + (value + 1) * _GOLDEN) & _MASK)
    return state >> 1


def bits(seed: int, purpose: str, epoch: int, index_N: Tensor, view: int = 0, count: int = 1) -> Tensor:
    """Random int64 bits [N, count] for the images `index_N` (int64 [N], on any device)."""
    start = derive(seed, purpose, epoch, view)
    state_N1 = _mix(index_N[:, None] * _signed(_GOLDEN) + _signed(start))
    column = torch.arange(1, count + 1, device=index_N.device, dtype=torch.int64)
    return _mix(state_N1 + column * _signed(_GOLDEN))


def uniform(seed: int, purpose: str, epoch: int, index_N: Tensor, view: int = 0, count: int = 1) -> Tensor:
    """Uniform float32 numbers [N, count] in [0, 1), equal bit for bit on every device.

    24 random bits each: every value is exact in float32, so no device can round it differently.
    """
    return _uniform(bits(seed, purpose, epoch, index_N, view, count))


def uniforms(seed: int, counts: Mapping[str, int], epoch: int, index_N: Tensor, view: int = 0) -> Tensor:
    """`uniform` for several purposes at once, side by side [N, sum of counts]; `counts` by purpose."""
    starts = [_signed(derive(seed, purpose, epoch, view)) for purpose in counts]
    streams = [k for k, count in enumerate(counts.values()) for _ in range(count)]
    columns = [_signed((i + 1) * _GOLDEN) for count in counts.values() for i in range(count)]
    start_S, stream_U, column_U = (torch.tensor(v, dtype=torch.int64) for v in (starts, streams, columns))
    device = index_N.device
    return _several(index_N, start_S.to(device), stream_U.to(device), column_U.to(device), _signed(_GOLDEN))


@torchscript
def _several(index_N: Tensor, start_S: Tensor, stream_U: Tensor, column_U: Tensor, golden: int) -> Tensor:
    """Uniform numbers [N, U] at the columns of streams that begin at `start_S`."""
    state_NS = _mix(index_N[:, None] * golden + start_S)
    return _uniform(_mix(state_NS.index_select(1, stream_U) + column_U))


def _uniform(bits: Tensor) -> Tensor:
    return _shift(bits, 40).to(torch.float32) * 2.0**-24


def permutation(seed: int, purpose: str, epoch: int, n: int) -> Tensor:
    """A shuffle of 0..n-1 (int64 [n], on the CPU): the images sorted by a random key of their own."""
    key_N = bits(seed, purpose, epoch, torch.arange(n))[:, 0]
    return torch.argsort(key_N, stable=True)


def drawn_seed(state: object) -> int:
    """A seed drawn from one of NumPy's generators.

    Raises:
        ValueError: it is none.
    """
    draw = getattr(state, "randint", None) or getattr(state, "integers", None)
    if draw is None:
        raise ValueError(f"random_state must be an int, a RandomState or Generator of NumPy, or None, not {state!r}")
    return int(draw(2**31 - 1))
