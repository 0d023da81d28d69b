"""Pins how .npy and .npz files become images, labels and splits, and what is refused."""

import numpy as np
import pytest
import torch

from lookalike.core.errors import LookalikeError
from lookalike.data import array
from lookalike.data.loading import load


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize(
    ("shape", "to_channels_first"),
    [
        ((5, 8, 8), lambda x: x[:, None]),
        ((5, 8, 8, 1), lambda x: x.transpose(0, 3, 1, 2)),
        ((5, 8, 8, 3), lambda x: x.transpose(0, 3, 1, 2)),
        ((5, 8, 8, 4), lambda x: x.transpose(0, 3, 1, 2)),
        ((5, 1, 8, 8), lambda x: x),
        ((5, 3, 8, 8), lambda x: x),
        ((5, 3, 32, 32), lambda x: x),
    ],
)
def test_layouts(tmp_path, shape, to_channels_first):
    x = noise(*shape)
    np.save(tmp_path / "x.npy", x)
    images = load(str(tmp_path / "x.npy"))
    assert np.array_equal(images.pixels, to_channels_first(x))
    assert images.labels is None and images.split is None
    assert images.paths[:2] == ("x/000000", "x/000001") and images.name == "x"


@pytest.mark.parametrize("key", ["images", "x", "anything"])
def test_name_of_the_images_in_an_npz(tmp_path, key):
    x = noise(3, 8, 8)
    assert np.array_equal(load(save(tmp_path / "a.npz", **{key: x})).pixels[:, 0], x)


def test_npz_without_images_says_what_it_holds(tmp_path):
    with pytest.raises(LookalikeError, match=r"holds \['a', 'b'\]; the images must be called"):
        load(save(tmp_path / "a.npz", a=noise(3, 8, 8), b=noise(3)))


def test_labels_as_names(tmp_path):
    images = load(save(tmp_path / "a.npz", images=noise(4, 8, 8), labels=np.array(["dog", "cat", "été", "cat"])))
    assert images.classes == ("cat", "dog", "été")
    assert images.labels.tolist() == [1, 0, 2, 0]


def test_labels_as_integers(tmp_path):
    images = load(save(tmp_path / "a.npz", x=noise(4, 8, 8), y=np.array([7, 3, 3, 9])))
    assert images.classes == ("3", "7", "9")
    assert images.labels.tolist() == [1, 0, 0, 2]


def test_negative_labels_mean_none(tmp_path):
    images = load(save(tmp_path / "a.npz", x=noise(5, 8, 8), y=np.array([7, -1, 3, -1, 7])))
    assert images.classes == ("3", "7")
    assert images.labels.tolist() == [1, -1, 0, -1, 1]


def test_paths_and_split(tmp_path):
    arrays = {"paths": np.array(["a.png", "b.png", "c.png"]), "split": np.array(["train", "val", "test"])}
    images = load(save(tmp_path / "a.npz", images=noise(3, 8, 8), **arrays))
    assert images.paths == ("a.png", "b.png", "c.png")
    assert images.split == ("train", "test", "test")


def test_unknown_split_is_refused(tmp_path):
    with pytest.raises(LookalikeError, match=r"split may say train, test or val, got .*'dev'"):
        load(save(tmp_path / "a.npz", images=noise(2, 8, 8), split=np.array(["train", "dev"])))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint16"])
def test_other_numbers_are_stretched_image_by_image(tmp_path, dtype):
    x = np.arange(2 * 20 * 20).reshape(2, 20, 20).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    pixels = load(str(tmp_path / "x.npy")).pixels
    assert torch.equal(pixels[0], pixels[1])  # the second is the first, 400 brighter
    assert pixels[0].min() == 0 and pixels[0].max() == 255
    middle = pixels[0, 0].flatten().double()[200]
    assert abs(middle - 255 * (200 - 0.005 * 399) / (0.99 * 399)) <= 0.5  # between 0.5 % and 99.5 %


def test_truth_values_are_black_and_white(tmp_path):
    x = noise(2, 8, 8) > 100
    np.save(tmp_path / "x.npy", x)
    assert np.array_equal(load(str(tmp_path / "x.npy")).pixels[:, 0], x * 255)


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize("last", [True, False])
def test_any_number_of_channels(tmp_path, channels, last):
    x = noise(3, 9, 9, channels)
    np.save(tmp_path / "x.npy", x if last else x.transpose(0, 3, 1, 2))
    assert np.array_equal(load(str(tmp_path / "x.npy")).pixels, x.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("dtype", ["complex64", "U3", "datetime64[s]"])
def test_what_is_no_number(tmp_path, dtype):
    np.save(tmp_path / "x.npy", np.zeros((3, 8, 8), dtype))
    with pytest.raises(LookalikeError, match="images must be numbers"):
        load(str(tmp_path / "x.npy"))


def test_an_image_without_a_finite_value_is_named(tmp_path):
    x = np.ones((3, 8, 8), np.float32)
    x[1] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(LookalikeError, match="image 1 holds no finite value"):
        load(str(tmp_path / "x.npy"))


def test_a_large_file_is_mapped_and_never_written(tmp_path, monkeypatch):
    monkeypatch.setattr(array, "_SMALL", 1000)
    x = noise(20, 8, 8, 3)
    np.save(tmp_path / "x.npy", x)
    before = (tmp_path / "x.npy").read_bytes()
    images = array.load(tmp_path / "x.npy")
    assert not images.pixels.is_contiguous()  # as it lies in the file: channels last
    assert np.array_equal(images.pixels, x.transpose(0, 3, 1, 2))
    images.pixels[0] = 0
    assert (tmp_path / "x.npy").read_bytes() == before


@pytest.mark.parametrize("shape", [(), (64,), (8, 8), (2, 3, 8, 8, 3)])
def test_wrong_number_of_axes(tmp_path, shape):
    np.save(tmp_path / "x.npy", noise(*shape))
    with pytest.raises(LookalikeError, match=r"must be \[N, H, W\]"):
        load(str(tmp_path / "x.npy"))


@pytest.mark.parametrize("shape", [(0, 8, 8), (3, 0, 8), (3, 8, 8, 0)])
def test_no_pixels(tmp_path, shape):
    np.save(tmp_path / "x.npy", noise(*shape))
    with pytest.raises(LookalikeError, match="holds no pixels"):
        load(str(tmp_path / "x.npy"))


@pytest.mark.parametrize("key", ["labels", "paths", "split"])
@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1)])
def test_wrong_lengths(tmp_path, key, shape):
    with pytest.raises(LookalikeError, match=rf"3 images but {key} of shape \[{shape[0]}"):
        load(save(tmp_path / "a.npz", images=noise(3, 8, 8), **{key: np.full(shape, "train")}))


class Malicious:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_pickled_objects_are_refused(tmp_path):
    hostile = np.array([Malicious()], dtype=object)
    np.save(tmp_path / "x.npy", hostile, allow_pickle=True)
    with pytest.raises(LookalikeError, match=r"cannot read .*x\.npy: Array can't be memory-mapped: Python objects"):
        load(str(tmp_path / "x.npy"))
    with pytest.raises(LookalikeError, match=r"cannot read .*a\.npz: Object arrays cannot be loaded"):
        load(save(tmp_path / "a.npz", images=noise(1, 8, 8), labels=hostile))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_truncated_files(tmp_path, name, share):
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, noise(10, 8, 8))
    else:
        save(path, images=noise(10, 8, 8), labels=np.arange(10))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(LookalikeError, match=f"cannot read .*{name}"):
        load(str(path))


def test_npz_with_a_flipped_byte(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=noise(10, 8, 8))
    data = bytearray(path.read_bytes())
    data[300] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(LookalikeError, match=r"cannot read .*a\.npz"):
        load(str(path))


def test_text_named_npy(tmp_path):
    (tmp_path / "x.npy").write_text("this is no array")
    with pytest.raises(LookalikeError, match=r"cannot read .*x\.npy"):
        load(str(tmp_path / "x.npy"))


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "movie.mp4").touch()
    with pytest.raises(LookalikeError, match=r"movie\.mp4 is none of what can be read \(video: .+\): a folder"):
        load(str(tmp_path / "movie.mp4"))


def test_of_oblong_images_the_central_square_is_seen(tmp_path):
    x = noise(2, 8, 14, 3)
    np.save(tmp_path / "x.npy", x)
    images = load(str(tmp_path / "x.npy"))
    assert images.shape == (3, 8, 8)
    assert np.array_equal(images.center_crops[:], x[:, :, 3:11].transpose(0, 3, 1, 2))
    assert np.array_equal(images.pixels, x.transpose(0, 3, 1, 2))  # crops may reach all of it


def test_image_size_scales(tmp_path):
    np.save(tmp_path / "x.npy", np.full((2, 30, 20), 77, dtype=np.uint8))
    images = load(str(tmp_path / "x.npy"), image_size=10)
    assert images.shape == (1, 10, 10) and images.center_crops[:].unique().tolist() == [77]
    assert images.pixels.shape == (2, 1, 20, 13) and images.pixels.unique().tolist() == [77]  # crops need no more
