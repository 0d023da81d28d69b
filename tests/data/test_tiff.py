"""TIFF files of any number of bands and of any type are read; what is not read is called by its name, with a remedy."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from horrors import encoded, picture
from lookalike.data.decode import Header, Unreadable, decode, eight_bits, header, open_image
from lookalike.data.deep import DeepImage
from lookalike.data.folder import image_index
from lookalike.data.quality import examine

RNG = np.random.default_rng(0)
UNIT = RNG.random((20, 37, 5))
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")


def tiff(x: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, x, **{"photometric": "minisblack", "planarconfig": "contig", **options})
    return file.getvalue()


def opened(data: bytes):
    return open_image(io.BytesIO(data))


def values(data: bytes) -> np.ndarray:
    raw = opened(data)
    assert isinstance(raw, DeepImage)
    return raw.values().x_HWC


def tagged(tags: dict[int, tuple[str, object]], data: bytes = bytes(100)) -> bytes:
    """A TIFF of these tags (type of struct, value), its one strip behind them; 273 says where that lies."""
    types = {"H": 3, "I": 4}
    at = 10 + 12 * len({273, *tags}) + 4
    tags = {273: ("I", at), **tags}
    out = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, (kind, value) in sorted(tags.items()):
        out += struct.pack("<HHI", tag, types[kind], 1) + struct.pack(f"<{kind}", value).ljust(4, b"\0")
    return out + bytes(4) + data


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("kind", TYPES)
def test_five_bands_of_any_type(kind, tile, planar):
    x = (UNIT * 200 - (0 if kind[0] == "u" else 100)).astype(kind)
    stored = x if planar == "contig" else x.transpose(2, 0, 1)
    for options in ({}, {"compression": "zlib"}, {"compression": "lzma"}, {"bigtiff": True}):
        for order in "<>":
            data = tiff(stored, planarconfig=planar, tile=tile, byteorder=order, **options)
            assert np.array_equal(values(data), x)
    if kind[0] != "f":  # tifffile alone writes no predictor for floats
        assert np.array_equal(values(tiff(stored, planarconfig=planar, tile=tile, compression="zlib", predictor=2)), x)
    raw = opened(tiff(stored, planarconfig=planar, tile=tile))
    assert header(raw) == Header(37, 20, 5, 8 * x.itemsize, "channels")
    assert np.array_equal(decode(raw, 37), eight_bits(x))


@pytest.mark.parametrize("compression", ["tiff_lzw", "zstd", "packbits", "tiff_adobe_deflate", "raw"])
@pytest.mark.parametrize(("kind", "predictor"), [("u2", 1), ("u2", 2), ("f4", 1), ("f4", 2), ("f4", 3)])
def test_compressions_by_libtiff(compression, kind, predictor):
    x = (UNIT[:, :, 0] * 4000).astype(kind)
    options = {"tiffinfo": {317: predictor}} if predictor > 1 and compression not in ("packbits", "raw") else {}
    data = encoded(Image.fromarray(x), "TIFF", compression=compression, **options)
    assert np.array_equal(values(data)[:, :, 0], x)


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
def test_bits_that_fill_no_bytes(bits):
    x = (UNIT[:, :, :3] * 2**bits).astype(np.uint16)
    lines = (x.reshape(20, -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    data = np.packbits(lines.reshape(20, -1).astype(np.uint8), axis=1).tobytes()
    tags = {256: ("H", 37), 257: ("H", 20), 258: ("H", bits), 262: ("H", 1), 277: ("H", 3), 279: ("I", len(data))}
    expected = x if bits > 8 else (x * (255 / (2**bits - 1))).round()  # to what 8 bits would have been
    assert np.array_equal(values(tagged(tags, data)), expected)


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha", "unspecified"])
def test_a_fourth_band_is_alpha_where_the_file_says_so(kind, extra):
    """The oracle is the rule itself: what lies on white, and only what can be seen is stretched."""
    x = (UNIT[:, :, :4] * 250).astype(kind)
    top = {"u1": 255, "u2": 65535, "f4": 1}[kind]
    x[:, :, 3] = top
    x[:6, :, 3] = 0
    if extra == "assocalpha":
        x[:6, :, :3] = 0
    raw = opened(tiff(x, photometric="rgb", extrasamples=[extra]))
    found = decode(raw, 37)
    if extra == "unspecified":
        assert found.shape == (20, 37, 4) and np.array_equal(found, eight_bits(x))
    else:
        assert found.shape == (20, 37, 3) and (found[:6] == 255).all()
        assert np.array_equal(found[6:], eight_bits(x[6:, :, :3]))


def test_premultiplied_colours_are_what_they_were():
    colour = (UNIT[:, :, :3] * 4000).astype(np.uint16)
    alpha = np.full((20, 37, 1), 65535, np.uint16)
    alpha[:10] = 65535 // 4
    plain = tiff(np.dstack([colour, alpha]), photometric="rgb", extrasamples=["unassalpha"])
    mixed = (colour * (alpha / 65535)).round().astype(np.uint16)
    premultiplied = tiff(np.dstack([mixed, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(decode(opened(plain), 37).astype(int) - decode(opened(premultiplied), 37)).max() <= 1


@pytest.mark.parametrize("samples", [2, 3, 4, 5])
def test_bands_that_are_no_colour(samples):
    x = (UNIT[:, :, :samples] * 255).astype(np.uint8)
    raw = opened(tiff(x))
    assert header(raw) == Header(37, 20, samples, 8, "channels")
    assert np.array_equal(decode(raw, 37), x)


def test_white_is_zero():
    x = (UNIT[:, :, 0] * 4000).astype(np.uint16)
    assert np.array_equal(
        decode(opened(tiff(x, photometric="miniswhite")), 37)[:, :, 0], 255 - eight_bits(x[:, :, None])[:, :, 0]
    )


@pytest.mark.parametrize("value", ["-9999", "-3.4028234663852886e+38", "nan", "0"])
@pytest.mark.parametrize("kind", ["f4", "f8", "i2"])
def test_values_by_which_gdal_marks_what_is_missing(value, kind):
    x = (UNIT[:, :, 0] * 300 + 100).astype(kind)
    if kind == "i2" and value[:2] in ("-3", "na"):
        return
    x[:10] = float(value)
    data = tiff(x, extratags=[(42113, 2, 0, value, True)])
    found = decode(opened(data), 37)[:, :, 0]
    assert (found[:10] == 0).all() and np.array_equal(found[10:], eight_bits(x[10:, :, None])[:, :, 0])


def test_nan_and_infinity():
    x = UNIT[:, :, :3].astype(np.float32)
    x[0, :5], x[1, :5] = np.nan, np.inf
    found = decode(opened(tiff(x, photometric="rgb")), 37)
    assert (found[0, :5] == 0).all() and (found[1, :5] == 255).all() and np.array_equal(found, eight_bits(x))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_that_of_pillow(orientation):
    x = (UNIT[:, :, 0] * 4000).astype(np.uint16)
    small = Image.fromarray((x >> 4).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = decode(opened(encoded(small, "TIFF", exif=exif)), 37)
    raw = opened(tiff(x >> 4, planarconfig=None, extratags=[(274, 3, 1, orientation, True)]))
    assert (header(raw).height, header(raw).width) == turned.shape[:2]
    assert np.array_equal(decode(raw, 37), eight_bits(turned.astype(np.uint16)))


def test_the_first_page_is_read():
    x = (UNIT * 4000).astype(np.uint16).transpose(2, 0, 1)
    data = tiff(x, planarconfig=None)
    assert np.array_equal(values(data)[:, :, 0], x[0])


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("axes", ["CYX", "ZCYX", "CZYX", "TCZYX", "TZCYX", "YXC"])
def test_channels_that_are_pages_of_ome(axes, kind):
    x = (UNIT * 250).astype(kind).transpose(2, 0, 1)
    sizes = {"C": 5, "Z": 3, "T": 2, "Y": 20, "X": 37}
    stack = np.zeros([sizes[axis] for axis in axes], kind)
    letters = "".join(axis for axis in axes if axis in "CYX")
    stack[tuple(slice(None) if axis in "CYX" else 0 for axis in axes)] = x.transpose(["CYX".index(a) for a in letters])
    data = tiff(stack, planarconfig="contig" if axes[-1] == "C" else None, ome=True, metadata={"axes": axes})
    assert np.array_equal(values(data), x.transpose(1, 2, 0))


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("axes", ["CYX", "ZCYX", "TZCYX"])
def test_channels_that_are_pages_of_imagej(axes, kind):
    x = (UNIT * 250).astype(kind).transpose(2, 0, 1)
    stack = np.zeros([{"C": 5, "Z": 3, "T": 2, "Y": 20, "X": 37}[axis] for axis in axes], kind)
    stack[(0,) * (len(axes) - 3)] = x
    assert np.array_equal(
        values(tiff(stack, planarconfig=None, imagej=True, metadata={"axes": axes})), x.transpose(1, 2, 0)
    )


def test_a_stack_without_channels_is_its_first_page():
    x = (UNIT * 250).astype(np.uint8).transpose(2, 0, 1)
    for options in ({"ome": True}, {"imagej": True}):
        raw = opened(tiff(x, planarconfig=None, metadata={"axes": "ZYX"}, **options))
        assert np.array_equal(decode(raw, 37)[:, :, 0], x[0])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_what_pillow_reads_well_is_left_to_it(mode):
    data = encoded(picture().convert("RGB").convert(mode) if mode != "LAB" else Image.new("LAB", (5, 4)), "TIFF")
    assert isinstance(opened(data), Image.Image)


SMALL = {256: ("H", 5), 257: ("H", 5), 258: ("H", 16)}
REFUSED = {
    "complex numbers": (tiff(UNIT[:, :, 0] + 1j), "complex numbers.*save their magnitude"),
    "JPEG 2000": (tagged({**SMALL, 259: ("H", 34712)}), "JPEG 2000.*deflate"),
    "LERC": (tagged({**SMALL, 259: ("H", 34887)}), "LERC.*gdal_translate"),
    "JPEG of 12 bits": (tagged({**SMALL, 258: ("H", 12), 259: ("H", 7)}), "JPEG with 12 bits.*deflate"),
    "24 bits of floats": (tagged({**SMALL, 258: ("H", 24), 339: ("H", 3)}), "24 bits a value"),
    "NEF": (tagged({**SMALL, 254: ("I", 1), 330: ("I", 200), 271: ("I", 0)}), "raw file: develop it"),
    "a mosaic": (tagged({**SMALL, 262: ("H", 32803)}), "raw file .DNG.: develop it"),
    "DNG": (tagged({**SMALL, 50706: ("I", 1)}), "raw file .DNG.: develop it"),
    "too large": (tagged({**SMALL, 256: ("I", 60000), 257: ("I", 60000)}), "too large"),
    "no size": (tagged({258: ("H", 16)}), "damaged TIFF: its tag 256 is missing"),
    "cut short": (tiff((UNIT * 4000).astype("u2"))[:3000], "truncated|cut short"),
    "strips missing": (tagged({**SMALL, 278: ("H", 1)}), "strips or tiles are missing"),
    "a strip of nothing": (tagged({**SMALL, 278: ("H", 0)}), "impossible size"),
    "a tag beyond the end": (tagged(SMALL)[:30], "truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name):
    data, reason = REFUSED[name]
    with pytest.raises(Unreadable, match=reason) as error:
        decode(opened(data), 64)
    assert "misnamed" not in str(error.value)


def test_bands_that_are_jpeg_each():
    x = np.array(picture(1, (64, 48)).convert("RGB")).transpose(2, 0, 1)
    parts = [encoded(Image.fromarray(plane), "JPEG", quality=95) for plane in (*x, x[0], x[1])]
    tags = {256: ("H", 64), 257: ("H", 48), 258: ("H", 8), 259: ("H", 7), 262: ("H", 1), 277: ("H", 5), 284: ("H", 2)}
    many = [(tag, value) for tag, (_, value) in tags.items()]
    start = 8 + 2 + 12 * (len(tags) + 2) + 4
    places = [start + 40 + sum(map(len, parts[:k])) for k in range(5)]
    ordered = sorted([*((t, 3, 1, v) for t, v in many), (273, 4, 5, start), (279, 4, 5, start + 20)])
    out = b"II*\0" + struct.pack("<IH", 8, len(ordered)) + b"".join(struct.pack("<HHII", *entry) for entry in ordered)
    out += bytes(4) + struct.pack("<5I", *places) + struct.pack("<5I", *map(len, parts)) + b"".join(parts)
    found = decode(opened(out), 64)
    assert found.shape == (48, 64, 5) and np.abs(found[:, :, :3].astype(int) - x.transpose(1, 2, 0)).mean() < 4


def test_a_folder_of_them(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.tif").write_bytes(tiff((UNIT * 4000).astype("u2")))
    found = [examine(entry, 20) for entry in image_index(tmp_path).entries]
    assert [one.header.channels for _, one in found] == [5, 5, 5] and found[0][0].shape == (11, 20, 5)


def test_the_file_is_closed(tmp_path):
    (tmp_path / "1.tif").write_bytes(tiff((UNIT * 4000).astype("u2")))
    raw = open_image(tmp_path / "1.tif")
    file = raw.release.__self__
    decode(raw, 20)
    assert file.closed
