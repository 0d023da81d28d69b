"""Pins the idx reader: what it accepts, and what it says of damaged, foreign and missing files."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from lookalike.core.errors import LookalikeError
from lookalike.data.loading import load
from lookalike.data.mnist import read_idx

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder, packed=True, train=7, test=3, **replaced):
    """Write a small data set; `replaced` gives the bytes of a file by the first letters of its name."""
    rng = np.random.default_rng(0)
    arrays = [
        rng.integers(0, 256, (train, 6, 6), dtype=np.uint8),
        np.arange(train, dtype=np.uint8) % 10,
        rng.integers(0, 256, (test, 6, 6), dtype=np.uint8),
        np.arange(test, dtype=np.uint8) % 10,
    ]
    for name, array in zip(NAMES, arrays, strict=True):
        data = replaced.get(name.replace("-", "_").split("_idx")[0], idx(array))
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
    return arrays


@pytest.mark.parametrize("packed", [True, False])
def test_round_trip(tmp_path, packed):
    x_train, y_train, x_test, y_test = write(tmp_path, packed)
    images = load(f"mnist:{tmp_path}")
    assert np.array_equal(images.pixels[:, 0], np.concatenate([x_train, x_test]))
    assert np.array_equal(images.labels, np.concatenate([y_train, y_test]))
    assert images.split == ("train",) * 7 + ("test",) * 3
    assert images.paths[0] == "train/00000" and images.paths[7] == "test/00000"
    assert images.classes == tuple("0123456")
    assert [len(rows) for rows in images.evaluation] == [7, 3]


def test_truncated_gz(tmp_path):
    write(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(LookalikeError, match=r"train-images-idx3-ubyte\.gz is damaged or cut short"):
        load(f"mnist:{tmp_path}")


def test_gz_with_a_flipped_byte(tmp_path):
    write(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(LookalikeError, match=r"t10k-images-idx3-ubyte\.gz is damaged"):
        load(f"mnist:{tmp_path}")


def test_gz_name_on_something_else(tmp_path):
    write(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_text("<html>not found</html>")
    with pytest.raises(LookalikeError, match=r"train-labels-idx1-ubyte\.gz is damaged"):
        load(f"mnist:{tmp_path}")


@pytest.mark.parametrize("cut", [1, 100])
def test_truncated_idx(tmp_path, cut):
    write(tmp_path, packed=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(LookalikeError, match=rf"promises 7 x 6 x 6 values but holds {7 * 36 - cut}"):
        load(f"mnist:{tmp_path}")


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x00\x08", b"\x00\x00\x0d\x03" + bytes(12), b"\x00\x00\x08\x01" + bytes(12), b"\x89PNG" * 9]
)
def test_wrong_magic(data):
    with pytest.raises(LookalikeError, match=r"somewhere is no idx file .* 3 dimensions \(it starts with"):
        read_idx(data, 3, "somewhere")


@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (2**16, 2**16, 1), (8, 6, 6)])
def test_header_that_promises_more_than_the_file_holds(shape):
    data = struct.pack(">4B3I", 0, 0, 8, 3, *shape) + bytes(36)
    with pytest.raises(LookalikeError, match=f"promises {shape[0]} x .* but holds 36"):
        read_idx(data, 3, "somewhere")


def test_file_that_holds_more_than_its_header_promises():
    with pytest.raises(LookalikeError, match="promises 1 x 6 x 6 values but holds 37"):
        read_idx(idx(np.zeros((1, 6, 6), dtype=np.uint8)) + b"x", 3, "somewhere")


def test_label_count_mismatch(tmp_path):
    write(tmp_path, train_labels=idx(np.zeros(6, dtype=np.uint8)))
    with pytest.raises(LookalikeError, match="7 train images but 6 labels"):
        load(f"mnist:{tmp_path}")


def test_splits_of_differing_size(tmp_path):
    write(tmp_path, t10k_images=idx(np.zeros((3, 5, 5), dtype=np.uint8)))
    with pytest.raises(LookalikeError, match=r"training images are .*6, 6.*test .*5, 5"):
        load(f"mnist:{tmp_path}")


def test_no_images_at_all(tmp_path):
    write(tmp_path, train=0, test=0)
    with pytest.raises(LookalikeError, match="no images"):
        load(f"mnist:{tmp_path}")


def test_missing_files_are_listed(tmp_path):
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(LookalikeError, match=r"lacks t10k-labels-idx1-ubyte \(.*--download") as error:
        load(f"mnist:{tmp_path}")
    assert "found there: ['t10k-images-idx3-ubyte.gz', 'train-images-idx3-ubyte.gz'" in str(error.value)


def test_missing_folder(tmp_path):
    with pytest.raises(LookalikeError, match="no such folder"):
        load(f"mnist:{tmp_path / 'nowhere'}")


def test_the_real_mnist(shared_data):
    folder = shared_data / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no MNIST in {folder}")
    images = load(f"mnist:{folder}")
    assert images.pixels.shape == (70_000, 1, 28, 28)
    assert images.split.count("train") == 60_000 and images.split.count("test") == 10_000
    assert images.labels[:5].tolist() == [5, 0, 4, 1, 9] and images.labels[60_000:60_005].tolist() == [7, 2, 1, 0, 4]
    assert images.labels[:60_000].bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    packed = (folder / "train-images-idx3-ubyte.gz").read_bytes()
    assert hashlib.md5(gzip.decompress(packed)).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"
    assert (
        hashlib.md5(images.pixels[:60_000].numpy()).hexdigest() == hashlib.md5(gzip.decompress(packed)[16:]).hexdigest()
    )
