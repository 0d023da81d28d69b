"""Pins how a folder of image files becomes images, labels, splits and a list of skipped files."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from lookalike.core.errors import LookalikeError
from lookalike.data.loading import load

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def write(path, color=RED, size=(32, 32), mode="RGB", **options):
    """Write a one-coloured image; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **options)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_nested_folders_are_classes(tmp_path):
    for name in ("fruit/apple/1.png", "fruit/pear/2.png", "fruit/pear/3.png", "milk/4.png"):
        write(tmp_path / name)
    images = load(str(tmp_path))
    assert images.paths == ("fruit/apple/1.png", "fruit/pear/2.png", "fruit/pear/3.png", "milk/4.png")
    assert images.classes == ("fruit/apple", "fruit/pear", "milk")
    assert images.labels.tolist() == [0, 1, 1, 2]
    assert images.split is None


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_labels_come_from_the_folders_below_the_split(tmp_path, held_out):
    for name in ("train/cat/1.png", "train/dog/2.png", f"{held_out}/cat/3.png", f"{held_out}/dog/4.png"):
        write(tmp_path / name)
    images = load(str(tmp_path))
    found = {p: (s, images.classes[y]) for p, s, y in zip(images.paths, images.split, images.labels, strict=True)}
    assert found == {
        "train/cat/1.png": ("train", "cat"),
        "train/dog/2.png": ("train", "dog"),
        f"{held_out}/cat/3.png": ("test", "cat"),
        f"{held_out}/dog/4.png": ("test", "dog"),
    }


def test_split_without_classes_has_no_labels(tmp_path):
    write(tmp_path / "train/1.png")
    write(tmp_path / "test/2.png")
    images = load(str(tmp_path))
    assert images.split == ("test", "train")
    assert images.labels is None


def test_images_outside_train_and_test_mean_no_split(tmp_path):
    for name in ("train/1.png", "test/2.png", "more/3.png"):
        write(tmp_path / name)
    images = load(str(tmp_path))
    assert images.split is None
    assert images.classes == ("more", "test", "train")


def test_flat_folder_has_no_labels(tmp_path):
    write(tmp_path / "1.png")
    write(tmp_path / "2.png")
    images = load(str(tmp_path))
    assert len(images) == 2
    assert images.labels is None and images.classes == () and images.split is None


def test_a_single_class_is_none(tmp_path):
    write(tmp_path / "all/1.png")
    write(tmp_path / "all/2.png")
    assert load(str(tmp_path)).labels is None


def test_grey_images_stay_one_channel(tmp_path):
    grey = noise(32, 32)
    Image.fromarray(grey).save(tmp_path / "1.png")
    pixels = load(str(tmp_path)).pixels
    assert pixels.shape == (1, 1, 32, 32)
    assert np.array_equal(pixels[0, 0], grey)


def test_grey_beside_colour_becomes_colour(tmp_path):
    grey, color = noise(32, 32), noise(32, 32, 3, seed=1)
    Image.fromarray(grey).save(tmp_path / "1.png")
    Image.fromarray(color).save(tmp_path / "2.png")
    pixels = load(str(tmp_path)).pixels
    assert pixels.shape == (2, 3, 32, 32)
    assert np.array_equal(pixels[0], np.stack([grey] * 3))
    assert np.array_equal(pixels[1], color.transpose(2, 0, 1))


def test_differing_sizes_become_64_pixel_squares(tmp_path):
    write(tmp_path / "1.png", size=(100, 40))
    write(tmp_path / "2.png", size=(20, 90))
    assert load(str(tmp_path)).shape == (3, 64, 64)


def test_the_central_square_is_kept(tmp_path):
    wide = np.zeros((64, 192, 3), dtype=np.uint8)
    wide[:, :64], wide[:, 64:128], wide[:, 128:] = RED, GREEN, BLUE
    Image.fromarray(wide).save(tmp_path / "1.png")
    images = load(str(tmp_path))
    assert images.shape == (3, 64, 64) and images.sizes.tolist() == [[43, 128]]  # crops reach all of it
    square = images.center_crops[:][0, :, :, 3:-3]  # at the edges a pixel of the neighbours comes in
    assert torch.equal(square, torch.tensor(GREEN, dtype=torch.uint8)[:, None, None].expand(3, 64, 58))


@pytest.mark.parametrize(("side", "kept"), [(8, 8), (28, 28), (64, 64), (65, 64), (200, 64)])
def test_uniform_squares_up_to_64_pixels_keep_their_size(tmp_path, side, kept):
    write(tmp_path / "1.png", size=(side, side))
    write(tmp_path / "2.png", size=(side, side))
    assert load(str(tmp_path)).shape == (3, kept, kept)


def test_uniform_squares_keep_their_pixels(tmp_path):
    color = noise(28, 28, 3)
    Image.fromarray(color).save(tmp_path / "1.png")
    assert np.array_equal(load(str(tmp_path)).pixels[0], color.transpose(2, 0, 1))


@pytest.mark.parametrize("side", [16, 48, 96])
def test_image_size(tmp_path, side):
    write(tmp_path / "1.png", size=(32, 32))
    write(tmp_path / "2.jpg", size=(300, 200))
    assert load(str(tmp_path), image_size=side).shape == (3, side, side)


def test_16_bit_grey_is_stretched_between_its_percentiles(tmp_path):
    deep = np.random.default_rng(0).integers(500, 4000, (32, 32), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "1.png")
    low, high = np.percentile(deep, (0.5, 99.5))
    expected = ((deep.clip(low, high) - low) / (high - low) * 255).round()
    assert np.array_equal(load(str(tmp_path)).pixels[0, 0], expected)


def test_palette_with_alpha_lies_on_white(tmp_path):
    image = Image.new("P", (32, 32), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (16, 0, 32, 32))
    image.save(tmp_path / "1.png", transparency=bytes([255, 128]))
    images = load(str(tmp_path))
    assert images.skipped == ()
    assert images.pixels[0, :, 5, 5].tolist() == list(RED)
    assert images.pixels[0, :, 5, 25].tolist() == [127, 127, 255]


def test_cmyk_becomes_rgb(tmp_path):
    write(tmp_path / "1.jpg", (0, 255, 255, 0), mode="CMYK", quality=95)
    pixels = load(str(tmp_path)).pixels.float()
    assert (pixels[0].mean((1, 2)) - torch.tensor(RED)).abs().max() < 8


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (32, 32), color) for color in (RED, GREEN)]
    frames[0].save(tmp_path / "1.gif", save_all=True, append_images=frames[1:])
    images = load(str(tmp_path))
    assert len(images) == 1
    assert images.pixels[0, :, 0, 0].tolist() == list(RED)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(1, lambda a: a), (2, np.fliplr), (3, lambda a: np.rot90(a, 2)), (6, lambda a: np.rot90(a, -1)), (8, np.rot90)],
)
def test_exif_orientation_is_obeyed(tmp_path, orientation, upright):
    stored = noise(32, 32, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "1.png", exif=exif)
    assert np.array_equal(load(str(tmp_path)).pixels[0], upright(stored).transpose(2, 0, 1))


def test_exif_orientation_of_a_photo_decoded_at_a_smaller_scale(tmp_path):
    stored = np.zeros((200, 400, 3), dtype=np.uint8)
    stored[:, 200:] = 255  # right half white: lower half once turned clockwise
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "1.jpg", exif=exif)
    pixels = load(str(tmp_path), image_size=32).center_crops[:][0].float()
    assert pixels[:, :14].max() < 10 and pixels[:, 18:].min() > 245


@pytest.mark.parametrize("name", ["été/ma photo.png", "猫 と 犬/🐈.png", " .png", "a,b;'c\"\n/d.png", "UPPER.PNG"])
def test_unusual_names(tmp_path, name):
    write(tmp_path / name)
    write(tmp_path / "other/1.png")
    images = load(str(tmp_path))
    assert set(images.paths) == {name, "other/1.png"}


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    write(tmp_path / "a" / name)
    write(tmp_path / "b/1.png")
    images = load(str(tmp_path))
    assert f"a/{name}" in images.paths
    assert sum(map(len, images.evaluation)) == 2
    assert len(images.fingerprint) == 32


def test_broken_files_are_skipped_and_listed_with_a_reason(tmp_path):
    for i in range(16):
        write(tmp_path / f"good{i:02d}.png", size=(32, 32))
    Image.fromarray(noise(200, 200, 3)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:2000])
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("this is not a photo")
    images = load(str(tmp_path))
    assert len(images) == 16 and all(path.startswith("good") for path in images.paths)
    reasons = dict(images.skipped)
    assert sorted(reasons) == ["cut.jpg", "empty.png", "text.jpg"]
    assert "truncated" in reasons["cut.jpg"]
    assert reasons["empty.png"] == "empty (0 bytes)" and reasons["text.jpg"] == "a text in place of the image"


def test_more_than_a_fifth_broken_is_refused(tmp_path):
    for i in range(8):
        write(tmp_path / f"good{i}.png")
    for i in range(2):
        (tmp_path / f"bad{i}.png").touch()
    assert len(load(str(tmp_path)).skipped) == 2  # a fifth is still accepted
    (tmp_path / "bad2.png").touch()
    with pytest.raises(LookalikeError, match=r"3 of 11 images .* cannot be read: .*'bad0\.png'.*other 8: --skip-bad"):
        load(str(tmp_path))


def test_folder_without_images_says_what_was_found(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "sub/b.TXT", "sub/c.mp4", "README"):
        (tmp_path / name).touch()
    with pytest.raises(LookalikeError, match=r"no images in .*\.jpg.*found 2 x \.txt.*1 x \.mp4") as error:
        load(str(tmp_path))
    assert "1 x (no suffix)" in str(error.value)


def test_empty_folder_says_so(tmp_path):
    with pytest.raises(LookalikeError, match=r"no images in .*found nothing"):
        load(str(tmp_path))


def test_link_back_up_terminates(tmp_path):
    write(tmp_path / "sub/1.png")
    (tmp_path / "sub/loop").symlink_to(tmp_path, target_is_directory=True)
    assert load(str(tmp_path)).paths == ("sub/1.png",)


def test_folder_linked_twice_is_read_once_under_its_first_name(tmp_path):
    write(tmp_path / "m/1.png")
    (tmp_path / "z").symlink_to(tmp_path / "m", target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "m", target_is_directory=True)
    (tmp_path / "q").symlink_to(tmp_path / "m", target_is_directory=True)
    assert load(str(tmp_path)).paths == ("b/1.png",)


def test_link_to_a_missing_file_is_passed_over(tmp_path):
    for i in range(4):
        write(tmp_path / f"{i}.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    images = load(str(tmp_path))
    assert len(images) == 4 and images.skipped == (("link.png", "a link to nothing"),)


def test_order_is_by_relative_path(tmp_path):
    names = ["b/1.png", "a/2.png", "a.png", "a/10.png", "B.png", "a/b/0.png", "c.png"]
    for i, name in enumerate(names):
        write(tmp_path / name, (i, 0, 0))
    images = load(str(tmp_path))
    assert list(images.paths) == sorted(names)
    assert images.pixels[:, 0, 0, 0].tolist() == [names.index(path) for path in images.paths]
