"""What was made fast gives what the plain way gives, wherever blocks and threads end."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import plain_color
from lookalike.augment import base
from lookalike.augment.color import ORDERS, ColorJitter, color_jitter
from lookalike.augment.crop import RandomMirroredCrop, RandomResizedCrop
from lookalike.augment.flip import RandomHorizontalFlip, horizontal_flip
from lookalike.augment.grayscale import RandomGrayscale
from lookalike.augment.hue import turn_hue_
from lookalike.augment.recipes import augmentation_names, build_augmentation
from lookalike.core import resample, rng
from lookalike.core.resample import resize_matrix, resized_crop

ROUNDING = 2e-6  # one grey level is 4e-3


def images(n: int, channels: int = 3, side: int = 13) -> Tensor:
    """Noise, some of it of one colour, one value, and black, grey and white."""
    x = torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(n))
    x[::5] = (x[::5] * 3).floor() / 2  # many equal channels
    x[1::7] = x[1::7, :, :1, :1]
    x[2::9] = x[2::9, :1]
    x[3::11] = (x[3::11] > 0.5).float()
    return x


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("shift", [-0.5, -0.2, -1 / 6, 0.0, 0.07, 1 / 3, 0.5])
def test_hue_is_that_by_way_of_hsv(shift: float):
    x, shift_B111 = images(40), torch.full((40, 1, 1, 1), shift)
    found = turn_hue_(x.clone(), shift_B111)
    torch.testing.assert_close(found, plain_color.adjust_hue(x, shift_B111), rtol=0, atol=ROUNDING)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("n", [0, 1, 2, 30, 200])
def test_jitter_is_that_of_one_order_after_the_other(n: int, colour: bool, channels: int):
    x, jitter = images(n, channels), ColorJitter(0.8, 0.8, 0.8, 0.2)
    factors, order = jitter.sample_params(
        rng.uniform(0, "check", 0, torch.arange(n), count=jitter.num_uniforms), (0, 0, 0)
    )
    found = color_jitter(x, factors, order, colour)
    expected = plain_color.color_jitter(x, factors, order, colour)
    torch.testing.assert_close(found, expected, rtol=0, atol=ROUNDING)
    if channels != 3 or not colour:  # nothing but the hue is computed in another way
        assert torch.equal(found, expected)


@pytest.mark.parametrize("k", range(len(ORDERS)))
def test_every_order_is_kept_also_alone(k: int):
    x = images(3)
    factors = torch.tensor([[1.7, 0.4, 1.5, 0.15], [0.3, 1.8, 0.2, -0.2], [1.4, 1.4, 1.4, 0.5]])
    order = torch.full((3,), k)
    expected = plain_color.color_jitter(x, factors, order)
    torch.testing.assert_close(color_jitter(x, factors, order), expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("side", [12, 13, 32])
def test_a_mirrored_crop_is_a_crop_that_is_mirrored(side: int):
    x, crop = images(50, side=side), RandomResizedCrop(side)
    both = RandomMirroredCrop(crop, RandomHorizontalFlip())
    u = rng.uniform(0, "check", 0, torch.arange(50), count=both.num_uniforms)
    box, mask = both.sample_params(u, (3, side, side))
    assert 10 < mask.sum() < 40
    expected = horizontal_flip(resized_crop(x, box, side), mask.nonzero()[:, 0])
    torch.testing.assert_close(both.forward(x, box, mask), expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("sizes", [None, torch.tensor([[20, 13], [16, 20], [20, 20], [7, 9]]).repeat(10, 1)])
def test_merging_a_mirroring_changes_no_draw(sizes: Tensor | None):
    pixels = torch.randint(256, (40, 3, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    merged = build_augmentation("simclr-small", 16)
    assert [type(step) for step in merged.steps] == [RandomMirroredCrop, ColorJitter, RandomGrayscale]
    at = {"seed": 1, "epoch": 2, "index_B": torch.arange(40), "view": 3, "sizes_B2": sizes}
    apart = base.Augmentation(merged.operations)
    assert len(apart.steps) == 4
    torch.testing.assert_close(merged(pixels, **at), apart(pixels, **at), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", augmentation_names())
def test_blocks_and_threads_change_no_bit(name: str, channels: int, two_threads):
    side = 25  # odd, so that rows and images end within a vector of the processor
    pixels = torch.randint(256, (60, channels, side, side), dtype=torch.uint8)
    at = {"seed": 1, "epoch": 2, "view": 3}
    recipe, index = build_augmentation(name, side), torch.arange(60)
    expected = recipe(pixels, **at, index_B=index)
    torch.set_num_threads(1)
    for block in (1, 7, 30):
        parts = [recipe(pixels[rows], **at, index_B=rows) for rows in index.split(block)]
        assert torch.equal(torch.cat(parts), expected), block


@pytest.mark.parametrize(("side", "size"), [(1, 3), (5, 4), (12, 12), (32, 32)])
def test_weights_that_are_looked_up_are_those_that_are_computed(side: int, size: int):
    numbers, table = resample._table(side, size)
    assert len(table) == resample._entries(side)
    for mirrored in (False, True):
        for length in range(1, side + 1):
            start_B = torch.arange(side - length + 1)
            found = table[numbers[length - 1, start_B] + mirrored * (len(table) // 2)]
            computed = resize_matrix(start_B, torch.full_like(start_B, length), side, size)
            assert torch.equal(found, computed.flip(1) if mirrored else computed), (length, mirrored)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_table_changes_no_bit_of_a_crop(mirrored: bool, monkeypatch: pytest.MonkeyPatch):
    x = images(40, side=20)
    box = RandomResizedCrop(16).boxes(rng.uniform(0, "check", 0, torch.arange(40), count=22), torch.tensor([[20, 20]]))
    mask = torch.arange(40) % 3 == 0 if mirrored else None
    found = resized_crop(x, box, 16, mask)
    monkeypatch.setattr(resample, "_TABLE", 0)
    assert torch.equal(found, resized_crop(x, box, 16, mask))
