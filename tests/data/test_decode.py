"""Pins what decoding settles: scale, orientation, alpha, depth and channels; and that a photo is decoded reduced."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from horrors import encoded, picture, png_header
from lookalike.data import jpeg
from lookalike.data.decode import MOST_PIXELS, Header, Unreadable, channels_last, decode, fitted, header, open_image


def opened(image: Image.Image, kind: str = "PNG", **options) -> Image.Image:
    return open_image(io.BytesIO(encoded(image, kind, **options)))


def antialiased(image: Image.Image, size) -> np.ndarray:
    """The reference: a float resize of all pixels, without any reduction before."""
    planes = [p.convert("F").resize(size, Image.Resampling.BILINEAR) for p in image.convert("RGB").split()]
    return np.stack([np.array(p) for p in planes], axis=2)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((400, 300), 100, (100, 75)),
        ((300, 400), 100, (75, 100)),
        ((40, 30), 100, (40, 30)),
        ((20000, 3), 128, (128, 1)),
        ((3, 20000), 128, (1, 128)),
        ((1, 1), 64, (1, 1)),
        ((128, 128), 128, (128, 128)),
    ],
)
def test_the_longer_side_fits_and_nothing_is_enlarged(size, side, expected):
    assert fitted(*size, side) == expected
    assert decode(opened(picture(size=size)), side, 3).shape == (*expected[::-1], 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(348, 348), (1000, 700), (701, 999), (2000, 90)])
@pytest.mark.parametrize("side", [64, 128])
def test_scaling_is_antialiased(kind, size, side):
    image = picture(3, size)
    raw = opened(image, kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    difference = decode(raw, side, 3) - antialiased(image, fitted(*size, side))
    assert np.abs(difference).mean() < 2 and np.abs(difference).max() < 25


def test_a_photo_is_decoded_reduced_but_never_below_what_is_asked_for(monkeypatch):
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    sizes = []
    original = ImageFile.ImageFile.load

    def watched(self):
        sizes.append(self.size)
        return original(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watched)
    data = encoded(picture(1, (1600, 1200)), "JPEG")
    for side, expected in ((100, (200, 150)), (200, (200, 150)), (201, (400, 300)), (801, (1600, 1200))):
        sizes.clear()
        decode(open_image(io.BytesIO(data)), side, 3)
        assert sizes[0] == expected, side


@pytest.mark.parametrize("size", [(1000, 700), (701, 999), (2000, 90), (1003, 17)])
def test_with_and_without_simplejpeg_the_image_lies_where_it_lies(monkeypatch, size):
    pytest.importorskip("simplejpeg", reason="an optional extra")
    data = encoded(picture(3, size), "JPEG", quality=95, subsampling=0)
    fast = decode(open_image(io.BytesIO(data)), 64, 3).astype(float)
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    assert np.abs(fast - decode(open_image(io.BytesIO(data)), 64, 3)).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [1000, 60])
def test_orientation(kind, orientation, side):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = picture(5, (240, 160))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
    raw = opened(image, kind, exif=exif, **options)
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: np.rot90,
    }[orientation]
    upright = Image.fromarray(np.ascontiguousarray(turn(np.array(image))))
    found = header(raw)
    assert (found.width, found.height) == upright.size
    pixels = decode(raw, side, 3)
    expected = antialiased(upright, fitted(*upright.size, side))
    assert pixels.shape == expected.shape and np.abs(pixels - expected).mean() < 2


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L", Header(40, 30, 1, 8, "grey")),
        ("1", Header(40, 30, 1, 1, "grey")),
        ("LA", Header(40, 30, 1, 8, "grey")),
        ("I;16", Header(40, 30, 1, 16, "grey")),
        ("P", Header(40, 30, 3, 8, "colour")),
        ("RGB", Header(40, 30, 3, 8, "colour")),
        ("RGBA", Header(40, 30, 3, 8, "colour")),
    ],
)
def test_header_without_decoding(mode, expected):
    image = Image.fromarray(np.zeros((30, 40), np.uint16)) if mode == "I;16" else picture().convert(mode)
    assert header(opened(image)) == expected
    assert decode(opened(image), 100).shape == (30, 40, expected.channels)


def test_alpha_lies_on_white():
    x = np.zeros((4, 4, 4), np.uint8)
    x[:2, :, 0], x[:, :2, 3], x[:, 2, 3] = 200, 255, 51
    pixels = decode(opened(Image.fromarray(x)), 4, 3)
    assert pixels[0, 0].tolist() == [200, 0, 0] and pixels[0, 3].tolist() == [255, 255, 255]
    assert pixels[0, 2].tolist() == [244, 204, 204] and pixels[3, 2].tolist() == [204, 204, 204]
    grey = decode(opened(Image.fromarray(x).convert("LA")), 4, 1)
    assert grey[0, 3, 0] == 255 and grey[3, 0, 0] == 0


def test_a_colour_that_is_transparent_in_a_png_is_white():
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    image.putpixel((0, 0), (1, 2, 3))
    pixels = decode(opened(image, transparency=(10, 20, 30)), 4, 3)
    assert pixels[0, 0].tolist() == [1, 2, 3] and (pixels[1:] == 255).all()


def test_grey_becomes_colour_and_colour_never_grey():
    grey = picture().convert("L")
    pixels = decode(opened(grey), 40, 3)
    assert np.array_equal(pixels, np.stack([np.array(grey)] * 3, axis=2))
    with pytest.raises(Unreadable, match=r"has 3 channels where the collection has 1 channel \(grey\)"):
        decode(opened(picture()), 40, 1)
    with pytest.raises(Unreadable, match="has 1 channel .grey. where the collection has 5 channels"):
        decode(opened(grey), 40, 5)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_depth_is_stretched_between_percentiles(dtype):
    x = (np.random.default_rng(0).normal(size=(60, 50)) * 1000 + 9000).astype(dtype)
    low, high = np.percentile(x.astype(np.float64), (0.5, 99.5))
    expected = (x.astype(np.float64).clip(low, high) - low) / (high - low) * 255
    assert np.abs(decode(x, 100)[:, :, 0] - expected).max() <= 0.51


def test_three_channels_are_stretched_together_and_others_each_by_itself():
    x = np.random.default_rng(0).uniform(size=(30, 30, 3)) * np.array([1, 10, 100])
    together, each = decode(x, 30), decode(np.concatenate([x, x], axis=2), 30)
    assert together[:, :, 0].max() <= 3 and together[:, :, 2].max() == 255
    assert each.shape == (30, 30, 6) and (each.max((0, 1)) == 255).all() and (each.min((0, 1)) == 0).all()


def test_what_is_constant_is_black_and_a_few_bright_spots_are_seen():
    assert (decode(np.full((8, 8), 7000, np.uint16), 8) == 0).all()
    stars = np.zeros((100, 100), np.uint16)
    stars[3, 4] = 60000
    assert decode(stars, 100)[3, 4] == 255


def test_values_that_are_not_finite():
    x = np.arange(400, dtype=np.float32).reshape(20, 20)
    x[0, 0], x[0, 1], x[0, 2] = np.nan, np.inf, -np.inf
    pixels = decode(x, 20)
    assert pixels[0, :3, 0].tolist() == [0, 255, 0]
    with pytest.raises(Unreadable, match="no finite value"):
        decode(np.full((3, 3), np.nan), 3)
    huge = decode(np.array([[-1.7e308, 0.0, 1.7e308]]), 3)
    assert huge[0, :, 0].tolist() in ([0, 127, 255], [0, 128, 255])


def test_arrays_are_scaled_as_images_are():
    x = np.array(picture(2, (300, 200)))
    five = np.concatenate([x, x[:, :, :2]], axis=2)
    expected = decode(opened(Image.fromarray(x)), 64)
    assert np.array_equal(decode(x, 64), expected)
    assert np.array_equal(decode(five, 64), np.concatenate([expected, expected[:, :, :2]], axis=2))
    assert np.array_equal(decode(x[:, :, 0] > 100, 300)[:, :, 0], (x[:, :, 0] > 100) * 255)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 5), np.uint8), "holds no pixels"),
        (np.zeros((5, 5, 0), np.uint8), "holds no pixels"),
        (np.zeros((2, 5, 5, 3), np.uint8), r"shape \[2, 5, 5, 3\] is no image"),
        (np.zeros(5, np.uint8), r"shape \[5\] is no image"),
        (np.zeros((5, 5), np.complex64), "complex64 are no brightness"),
        (np.zeros((5, 5), object), "object are no brightness"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000)), "too large"),
        (np.broadcast_to(np.uint8(0), (2000, 2000, 1000)), "too large"),
    ],
)
def test_arrays_that_are_no_images(x, message):
    with pytest.raises(Unreadable, match=message):
        decode(x, 64)


def test_the_limit_of_pixels():
    assert header(open_image(io.BytesIO(png_header(MOST_PIXELS // 10_000, 10_000)))).height == 10_000
    with pytest.raises(Unreadable, match="more than 178 megapixels"):
        header(open_image(io.BytesIO(png_header(20_000, 10_000))))


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((9, 8), (9, 8, 1)),
        ((3, 9, 8), (9, 8, 3)),
        ((9, 8, 5), (9, 8, 5)),
        ((64, 64, 20), (64, 64, 20)),
        ((20, 64, 64), (64, 64, 20)),
        ((64, 64, 200), (64, 64, 200)),  # more bands than pixels in a line
        ((200, 64, 64), (64, 64, 200)),
        ((145, 145, 200), (145, 145, 200)),
        ((610, 340, 103), (610, 340, 103)),
        ((103, 610, 340), (610, 340, 103)),
        ((64, 20, 64), (64, 20, 64)),
        ((64, 64, 64), (64, 64, 64)),
        ((40, 50, 60), (50, 60, 40)),
        ((1, 3, 200), (3, 200, 1)),
        ((3, 64, 3), (3, 64, 3)),
        ((3, 3, 3), (3, 3, 3)),
        ((100, 4, 17), (100, 4, 17)),
    ],
)
def test_channels_last(shape, found):
    assert channels_last(np.zeros(shape, bool)).shape == found


@pytest.mark.parametrize("shape", [(5,), (7, 40, 50, 3), ()])
def test_channels_last_of_another_number_of_axes(shape):
    with pytest.raises(Unreadable, match="is no image .H, W."):
        channels_last(np.zeros(shape))


def test_the_file_is_closed(tmp_path):
    (tmp_path / "1.gif").write_bytes(encoded(picture(), "GIF", save_all=True, append_images=[picture(1)]))
    raw = open_image(tmp_path / "1.gif")
    file = raw.fp
    decode(raw, 20)
    assert file.closed


def test_threads_decode_the_same():
    data = [encoded(picture(i, (200, 150)), "JPEG") for i in range(40)]
    alone = [decode(open_image(io.BytesIO(d)), 50) for d in data]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda d: decode(open_image(io.BytesIO(d)), 50), data))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
