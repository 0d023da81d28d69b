"""Images of more than 8 bits keep their depth, whatever file they are in: stretched as grey ones and arrays are."""

import io

import numpy as np
import pytest
from PIL import Image

from deep_files import chunk, png16
from lookalike.data.decode import Header, Unreadable, decode, eight_bits, header, open_image
from lookalike.data.deep import DeepImage

RNG = np.random.default_rng(0)
SENSOR = RNG.integers(0, 4096, (41, 53, 4)).astype(np.uint16)  # of 12 bits, in 16


def opened(data: bytes):
    return open_image(io.BytesIO(data))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_is_read_as_an_array_of_the_same_values_is(channels, interlaced):
    x = SENSOR[:, :, :channels]
    raw = opened(png16(x, interlaced))
    assert header(raw) == Header(53, 41, channels, 16, "grey" if channels == 1 else "colour")
    assert np.array_equal(decode(raw, 53), decode(x, 53))
    assert np.array_equal(decode(opened(png16(x, interlaced)), 20), decode(x, 20))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_16_bits_lies_on_white_and_what_is_not_seen_does_not_count(channels, interlaced):
    x = SENSOR[:, :, -channels:].copy()
    x[:, :, -1] = 65535
    x[:10, :, -1] = 0
    x[:10, :, :-1] = 65535  # brighter than all that can be seen
    x[10, :, -1] = 65535 // 5
    found = decode(opened(png16(x, interlaced)), 53)
    seen = eight_bits(x[10:, :, :-1])
    assert found.shape == (41, 53, channels - 1)
    assert (found[:10] == 255).all()
    assert np.array_equal(found[11:], seen[1:])
    assert np.abs(found[10] - (seen[0] * 0.2 + 255 * 0.8)).max() <= 0.51
    x[:, :, -1] = 0
    assert (decode(opened(png16(x)), 53) == 255).all()


def test_a_value_that_is_transparent_is_white():
    x = SENSOR[:, :, :3].copy()
    x[5, 6] = x[7, 8] = (60000, 1, 2)
    found = decode(opened(png16(x, extra=chunk(b"tRNS", np.array([60000, 1, 2], ">u2").tobytes()))), 53)
    assert (found[5, 6] == 255).all() and (found[7, 8] == 255).all()
    clear = np.ones(x.shape[:2], bool)
    clear[5, 6] = clear[7, 8] = False
    assert np.array_equal(found[clear], eight_bits(x, clear)[clear])


def test_orientation_of_a_png():
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = opened(png16(SENSOR[:, :, :3], extra=chunk(b"eXIf", exif.tobytes()[6:])))
    assert (header(raw).width, header(raw).height) == (41, 53)
    assert np.array_equal(decode(raw, 60), np.rot90(eight_bits(SENSOR[:, :, :3]), -1))


def test_a_png_cut_short_or_damaged():
    data = png16(SENSOR[:, :, :3])
    with pytest.raises(Unreadable, match="cut short or damaged"):
        decode(opened(data[: len(data) // 2]), 64)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    with pytest.raises(Unreadable, match="a checksum of its pixels is wrong"):
        decode(opened(bytes(damaged)), 64)


@pytest.mark.parametrize("kind", ["P6", "P5", "P3", "P2"])
def test_ppm_and_pgm(kind):
    x = SENSOR[:, :, :3] if kind in ("P6", "P3") else SENSOR[:, :, :1]
    plain = " ".join(map(str, x.ravel())).encode()
    data = f"{kind}\n# a comment\n53 41\n4095\n".encode() + (
        x.astype(">u2").tobytes() if kind in ("P6", "P5") else plain
    )
    raw = opened(data)
    assert header(raw).bits == 16 and np.array_equal(decode(raw, 53), decode(x, 53))
    with pytest.raises(Unreadable, match="cut short"):
        decode(opened(data[: len(data) // 2]), 64)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pfm(channels, order):
    x = RNG.random((41, 53, channels)).astype(np.float32)
    head = f"P{'F' if channels == 3 else 'f'}\n53 41\n{'-' if order == '<' else ''}1.0\n".encode()
    raw = opened(head + x[::-1].astype(f"{order}f4").tobytes())
    assert header(raw).bits == 32 and np.array_equal(decode(raw, 53), decode(x, 53))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_pngs_of_8_bits_are_left_to_pillow(mode):
    file = io.BytesIO()
    Image.fromarray((SENSOR[:, :, :3] % 256).astype(np.uint8)).convert(mode).save(file, "PNG")
    assert isinstance(opened(file.getvalue()), Image.Image)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int8, ">u2", ">i2"])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_that_are_counted_are_stretched_as_those_that_are_sorted(dtype, channels):
    info = np.iinfo(dtype)
    for low, high in ((info.min, info.max), (-3 if info.min else 3, 90), (7, 8), (100, 101), (5, 120)):
        x = RNG.integers(low, high, (23, 31, channels)).astype(dtype)
        assert np.array_equal(eight_bits(x), eight_bits(x.astype(np.int64)))
    x[:] = 9
    x[0, 0] = 120  # a few bright values beyond the percentiles
    assert np.array_equal(eight_bits(x), eight_bits(x.astype(np.int64)))


def test_the_outermost_values_of_float32_mark_what_is_missing():
    x = RNG.random((20, 20, 1)).astype(np.float32)
    x[:10] = np.finfo(np.float32).min
    found = eight_bits(x)
    assert (found[:10] == 0).all() and np.array_equal(found[10:], eight_bits(x[10:]))


def test_a_deep_image_too_large_is_refused_before_it_is_decoded():
    def never():
        raise AssertionError("decoded")

    with pytest.raises(Unreadable, match="30000 x 30000 pixels: too large"):
        decode(DeepImage(30_000, 30_000, 1, 16, "grey", never), 64)
    with pytest.raises(Unreadable, match="of 1,000 channels: too large"):
        decode(DeepImage(10_000, 10_000, 1000, 16, "channels", never), 64)
