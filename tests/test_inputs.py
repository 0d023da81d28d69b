"""Images as Python has them: levels by value, grey as Pillow makes it, names, and what goes together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.inputs import InputError, Scale, as_array, entering, grey, levels, one_image, read


def test_grey_has_the_bits_that_pillow_gives():
    x = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(x).convert("L"))
    assert np.array_equal(grey(torch.from_numpy(x).permute(2, 0, 1)[None])[0, 0].numpy(), expected)


@pytest.mark.parametrize(
    ("x", "scale"),
    [
        (np.array([0, 255], np.uint8), None),
        (np.array([True, False]), Scale(0, 1)),
        (np.array([0.0, 0.5]), Scale(0, 1)),
        (np.array([0, 1]), Scale(0, 1)),
        (np.array([-2.0, 6.0]), Scale(-2, 6)),
        (np.array([7, 7]), Scale(7, 7)),
        (np.zeros((0, 3)), Scale(0, 1)),
    ],
)
def test_the_range_of_numbers(x: np.ndarray, scale: Scale | None):
    assert Scale.from_array(x) == scale


def test_levels_are_a_function_of_each_value():
    scale = Scale(-1.0, 1.0)
    assert scale.levels(np.array([-9.0, -1, 0, 1, 9])).tolist() == [0, 0, 128, 255, 255]
    assert Scale(7.0, 7.0).levels(np.array([7.0, 7])).tolist() == [0, 0]
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(levels(every / 255, None), every)
    assert np.array_equal(levels(every.astype(np.int64), None), every)
    assert np.array_equal(levels(every, Scale(0, 1)), every)  # bytes beside numbers in [0, 1] are bytes
    assert np.array_equal(levels(every[:17], Scale(0, 16)), Scale(0, 16).levels(every[:17]))
    long = np.random.default_rng(0).normal(size=(2500, 3))
    assert np.array_equal(scale.levels(long), np.stack([scale.levels(row) for row in long]))


def test_names_are_unique_and_mixed_lists_become_colour(tmp_path: Path):
    file = tmp_path / "grey.png"
    Image.new("L", (9, 9), 100).save(file)
    images = read([file, str(file), Image.new("RGB", (5, 5)), np.zeros((7, 7), np.uint8), torch.zeros(3, 8, 8)])
    assert images.paths == (str(file), f"{file} (2)", "image 2", "image 3", "image 4")
    assert images.shape == (3, 64, 64)
    assert (images.pixels[0] == 100).all()


def test_what_is_an_array_and_what_is_one_image(tmp_path: Path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert as_array([[1, 2], [3, 4]]) is not None and as_array([(1, 2), (3, 4)]) is not None
    for other in ("a.png", ["a.png"], [Path("a.png")], np.array(["a", "b"]), [(Image.new("L", (2, 2)), 0)]):
        assert as_array(other) is None
    for one in (tmp_path / "a.png", Image.new("L", (2, 2)), np.zeros((5, 6)), np.zeros((5, 6, 3)), torch.zeros(5, 6)):
        assert one_image(one)
    for many in (tmp_path, [tmp_path / "a.png"], np.zeros((5, 6, 7)), np.zeros((5, 6, 7, 3)), "digits"):
        assert not one_image(many)


def test_images_pass_through_and_oblong_ones_are_cut():
    digits = load_images("digits")
    assert read(digits) is digits and read("digits", 8).shape == (1, 8, 8)
    assert read(digits, 8).shape == (1, 8, 8)
    assert read(np.zeros((2, 10, 14, 3), np.uint8)).shape == (3, 10, 10)
    assert isinstance(read(np.zeros((2, 10, 14, 3), np.uint8), 5), Images)


@pytest.mark.parametrize(("found", "wanted", "said"), [(1, 1, ""), (1, 3, "grey images"), (3, 1, "colour images")])
def test_channels(found: int, wanted: int, said: str):
    images = read(np.full((2, found, 6, 6), 77, np.uint8))
    pixels, note = entering(images, wanted)
    assert pixels.shape == (2, wanted, 6, 6) and note.startswith(said) and bool(note) == bool(said)
    assert (pixels[:] == 77).all()


def test_channels_that_are_no_colours():
    with pytest.raises(InputError, match="trained on images of 1 channel, these have 4"):
        entering(read(np.zeros((2, 6, 6, 4), np.uint8)), 1)
    with pytest.raises(InputError, match="5 channels where the collection has 3"):
        read([np.zeros((6, 6, 3), np.uint8), np.zeros((6, 6, 5), np.uint8)])
