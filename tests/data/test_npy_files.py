"""Arrays of any number of channels and of any type of numbers are read from a folder; what is no image is named."""

import numpy as np
import pytest

from deep_files import npy
from lookalike.core.errors import LookalikeError
from lookalike.data import array
from lookalike.data.decode import Unreadable, decode, eight_bits, header
from lookalike.data.folder import open_file

RNG = np.random.default_rng(0)
UNIT = RNG.random((30, 34, 20))


def opened(tmp_path, data: bytes):
    (tmp_path / "x.npy").write_bytes(data)
    return open_file(str(tmp_path / "x.npy"))


@pytest.mark.parametrize("kind", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "g"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 20])
def test_any_type_and_number_of_channels(tmp_path, kind, channels):
    x = (UNIT[:, :, :channels] * 1.9).astype(bool) if kind == "?" else (UNIT[:, :, :channels] * 100).astype(kind)
    expected = eight_bits(x)
    for stored in (x, np.asfortranarray(x), x.astype(x.dtype.newbyteorder(">")), x.transpose(2, 0, 1)):
        raw = opened(tmp_path, npy(stored))
        assert header(raw).channels == channels
        assert np.array_equal(decode(raw, 34), expected)
    assert decode(opened(tmp_path, npy(x)), 10).shape == (9, 10, channels)


def test_a_fourth_channel_is_no_alpha(tmp_path):
    x = (UNIT[:, :, :4] * 255).astype(np.uint8)
    x[:, :, 3] = 0
    assert np.array_equal(decode(opened(tmp_path, npy(x)), 34), x)


def test_integers_of_64_bits_at_their_ends(tmp_path):
    x = np.array([[0, 2**64 - 1], [2**63, 2**62]], np.uint64)
    assert decode(opened(tmp_path, npy(x)), 2)[:, :, 0].tolist() == [[0, 255], [128, 64]]


OTHERS = {
    "complex128 are no brightness: save their magnitude": npy(UNIT[:, :, 0] + 1j),
    "of Python objects": npy(np.array([[1, "a"]], dtype=object)),
    "save one field of r, g, b, or stack them": npy(np.zeros((4, 4), [("r", "u1"), ("g", "u1"), ("b", "u1")])),
    "V2 are no brightness: save them as float32": npy(np.zeros((4, 4), "V2")),
    "U1 are no brightness": npy(np.zeros((4, 4), "U1")),
    r"shape \[5\] is no image": npy(np.zeros(5)),
    r"shape \[\] is no image": npy(np.zeros(())),
    r"shape \[9, 8, 7, 3\] is no image.*a file of many images is given by itself": npy(np.zeros((9, 8, 7, 3))),
    "holds no pixels": npy(np.zeros((0, 5))),
    "no .npy file of numbers": npy(np.zeros((30, 30)))[:-9],
    "a ZIP archive": b"PK\x03\x04" + bytes(100),  # as an .npz is
}


@pytest.mark.parametrize("reason", OTHERS)
def test_what_is_no_image(tmp_path, reason):
    with pytest.raises(Unreadable, match=reason):
        decode(opened(tmp_path, OTHERS[reason]), 64)


@pytest.mark.parametrize(
    ("shape", "found"),
    [((7, 64, 64, 20), (7, 20, 64, 64)), ((7, 20, 64, 64), (7, 20, 64, 64)), ((7, 32, 32, 200), (7, 200, 32, 32))],
)
def test_many_images_in_one_array(tmp_path, shape, found):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    assert tuple(array.load(tmp_path / "x.npy").pixels.shape) == found


def test_a_file_of_many_images_that_is_a_pointer(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(LookalikeError, match="git lfs pull"):
        array.load(tmp_path / "x.npy")
