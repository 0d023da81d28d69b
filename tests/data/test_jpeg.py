"""Pins that a JPEG's own first bytes say what Pillow says of it, that only usual files are read so, and the pixels."""

import io
import random
import struct

import numpy as np
import pytest
from PIL import Image

from horrors import encoded, picture
from lookalike.data import decode as decode_module
from lookalike.data import jpeg
from lookalike.data.decode import MOST_PIXELS, Unreadable, decode, decode_all, header, open_image
from lookalike.data.jpeg import Jpeg
from lookalike.data.scale import scaled


def by_pillow(data: bytes, side: int = 64) -> tuple[object, np.ndarray]:
    """The oracle: Pillow's word for size, mode and orientation, and the pixels of its decoder."""
    image = Image.open(io.BytesIO(data))
    image.getexif()
    return header(image), decode(image, side)


def oriented(value: int, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    exif[0x010F] = "a maker of cameras"
    return encoded(picture(3, (200, 120)), "JPEG", exif=exif, quality=95, subsampling=0, **options)


def segment(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content


def with_segment(data: bytes, kind: int, content: bytes) -> bytes:
    return data[:2] + segment(kind, content) + data[2:]


PLAIN = encoded(picture(1, (200, 120)), "JPEG", quality=95, subsampling=0)
BIG_ENDIAN = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
USUAL = {
    "plain": PLAIN,
    "grey": encoded(picture(1, (200, 120)).convert("L"), "JPEG"),
    "progressive": encoded(picture(1, (200, 120)), "JPEG", progressive=True),
    "chroma": encoded(picture(1, (201, 121)), "JPEG", subsampling=2),
    "profile": encoded(picture(1, (200, 120)), "JPEG", icc_profile=bytes(3000), comment=b"words"),
    "big endian": with_segment(PLAIN, 0xE1, BIG_ENDIAN),
    "no orientation": with_segment(PLAIN, 0xE1, BIG_ENDIAN.replace(b"\x01\x12", b"\x01\x13")),
    "restarts": encoded(picture(1, (200, 120)), "JPEG", restart_marker_rows=1),
    **{f"orientation {k}": oriented(k) for k in range(10)},
}


@pytest.mark.parametrize("name", USUAL)
@pytest.mark.parametrize("fast", [True, False])
def test_what_a_usual_file_says_is_what_pillow_says(monkeypatch, name, fast):
    if not fast:
        monkeypatch.setattr(jpeg, "simplejpeg", None)
    raw = open_image(io.BytesIO(USUAL[name]))
    assert isinstance(raw, Jpeg)
    expected, pixels = by_pillow(USUAL[name])
    assert header(raw) == expected
    found = decode(raw, 64)
    assert found.shape == pixels.shape and found.dtype == np.uint8
    assert np.abs(found.astype(float) - pixels).mean() < 2


UNUSUAL = {
    "four channels": encoded(picture().convert("CMYK"), "JPEG"),
    "several pictures": encoded(picture(), "MPO", save_all=True, append_images=[picture(1)]),
    "orientation in XMP": with_segment(PLAIN, 0xE1, b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'),
    "two EXIF": with_segment(oriented(6), 0xE1, BIG_ENDIAN),
    "tags cut short": with_segment(PLAIN, 0xE1, BIG_ENDIAN[:-10]),
    "orientation as text": with_segment(PLAIN, 0xE1, BIG_ENDIAN.replace(b"\x01\x12\0\x03", b"\x01\x12\0\x02")),
    "no TIFF header": with_segment(PLAIN, 0xE1, b"Exif\0\0" + bytes(20)),
    "fill between segments": PLAIN[:2] + b"\xff\xff" + PLAIN[2:],
    "a long header": PLAIN[:2] + 3 * segment(0xEB, bytes(65000)) + PLAIN[2:],
    "a PNG": encoded(picture()),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_unusual_is_left_to_pillow(tmp_path, name):
    (tmp_path / "x.jpg").write_bytes(UNUSUAL[name])
    for source in (tmp_path / "x.jpg", io.BytesIO(UNUSUAL[name])):
        raw = open_image(source)
        assert isinstance(raw, Image.Image)
        expected, pixels = by_pillow(UNUSUAL[name])
        assert header(raw) == expected
        assert np.array_equal(decode(raw, 64), pixels)


def test_a_frame_too_large_is_refused_before_it_is_decoded(monkeypatch):
    at = PLAIN.index(b"\xff\xc0")
    data = PLAIN[: at + 5] + struct.pack(">HH", 65000, 65000) + PLAIN[at + 9 :]
    assert MOST_PIXELS < 65000 * 65000

    def never(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(Jpeg, "decoded", never)
    with pytest.raises(Unreadable, match="65000 x 65000 pixels: too large"):
        decode(open_image(io.BytesIO(data)), 64)


def test_two_frames_are_left_to_pillow():
    at = PLAIN.index(b"\xff\xc0")
    assert jpeg._parsed(PLAIN) is not None
    assert jpeg._parsed(PLAIN[:at] + PLAIN[at : at + 19] + PLAIN[at:]) is None


def test_a_file_is_read_when_it_is_decoded_and_closed(tmp_path):
    data = encoded(picture(1, (900, 700)), "JPEG", quality=100, subsampling=0, icc_profile=bytes(60000))
    data += bytes(200_000)  # as some cameras add; longer than what is read for the header
    (tmp_path / "long.jpg").write_bytes(data)
    raw = open_image(tmp_path / "long.jpg")
    assert isinstance(raw, Jpeg) and raw.file is not None and len(raw.head) < len(data)
    file = raw.file
    pixels = decode(raw, 64)
    assert file.closed and np.array_equal(pixels, decode(open_image(io.BytesIO(data)), 64))
    raw = open_image(tmp_path / "long.jpg")
    assert isinstance(raw, Jpeg) and raw.file is not None
    file = raw.file
    raw.close()
    assert file.closed


@pytest.mark.parametrize("size", [(1000, 700), (701, 999), (200, 150), (130, 90)])
@pytest.mark.parametrize("side", [128, 64, 9])
def test_the_pixels_of_simplejpeg_are_those_of_a_plain_decode(monkeypatch, size, side):
    pytest.importorskip("simplejpeg", reason="an optional extra")
    data = encoded(picture(3, size), "JPEG", quality=95, subsampling=0)
    found = decode(open_image(io.BytesIO(data)), side, 3).astype(float)
    whole = Image.open(io.BytesIO(data)).convert("RGB").resize(found.shape[1::-1], Image.Resampling.BILINEAR)
    assert np.abs(found - np.array(whole)).mean() < 2


def test_simplejpeg_and_pillow_decode_the_same(monkeypatch):
    """Both are libjpeg-turbo at the same scales; another release of it may round otherwise."""
    pytest.importorskip("simplejpeg", reason="an optional extra")
    files = [encoded(picture(i, (348, 261)), "JPEG", quality=90) for i in range(4)]
    fast = [decode(open_image(io.BytesIO(data)), 128, 3).astype(int) for data in files]
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    slow = [decode(open_image(io.BytesIO(data)), 128, 3) for data in files]
    assert max(np.abs(a - b).max() for a, b in zip(fast, slow, strict=True)) <= 2


@pytest.mark.parametrize("channels", [None, 3])
def test_several_are_decoded_as_each_alone(channels):
    files = [*USUAL.values(), *UNUSUAL.values(), PLAIN[:2000], encoded(picture(5, (900, 900)), "JPEG"), PLAIN]
    files = [data for data in files if data not in (UNUSUAL["tags cut short"], UNUSUAL["no TIFF header"])]
    together = decode_all((open_image(io.BytesIO(data)) for data in files), 64, channels)
    failed = 0
    for data, found in zip(files, together, strict=True):
        try:
            alone = decode(open_image(io.BytesIO(data)), 64, channels)
        except Unreadable as error:
            failed += 1
            assert isinstance(found, Unreadable) and str(found) == str(error)
        else:
            assert np.array_equal(found, alone)
    assert failed == 1


def test_no_slow_scale_is_asked_for(monkeypatch):
    simplejpeg = pytest.importorskip("simplejpeg", reason="an optional extra")
    shapes = []
    plain = simplejpeg.decode_jpeg

    def watched(*args, **options):
        shapes.append(plain(*args, **options).shape[:2])
        return plain(*args, **options)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", watched)
    data = encoded(picture(1, (400, 320)), "JPEG")
    for side in (50, 51, 150, 151, 200, 201, 350, 400):
        decode(open_image(io.BytesIO(data)), side)
    assert shapes == [(40, 50), (80, 100), (160, 200), (160, 200), (160, 200), *[(320, 400)] * 3]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("shape", "size", "extent"),
    [
        ((131, 131), (128, 128), (130.5, 130.5)),
        ((12, 250), (250, 11), (250.0, 11.25)),
        ((348, 300), (110, 128), (300.0, 348.0)),
        ((1, 40), (20, 1), (40.0, 0.25)),
        ((60, 60), (60, 59), (60.0, 59.125)),
    ],
)
def test_scaling_is_that_of_pillow_but_for_one_level(shape, size, extent, channels):
    image = picture(7, shape[::-1])
    x_HWC = np.array(image if channels == 3 else image.convert("L")).reshape(*shape, channels)
    before = x_HWC.copy()
    planes = [Image.fromarray(x_HWC[:, :, c]) for c in range(channels)]
    resized = [plane.resize(size, Image.Resampling.BILINEAR, box=(0, 0, *extent)) for plane in planes]
    expected = np.stack([np.array(plane) for plane in resized], axis=2)
    (found,) = scaled([x_HWC], size, extent)
    difference = np.abs(found.astype(int) - expected)
    assert found.shape == expected.shape and difference.max() <= 1 and (difference > 0).mean() < 0.05
    assert np.array_equal(x_HWC, before)
    together = scaled([np.flip(x_HWC, 0).copy(), x_HWC, x_HWC], size, extent)
    assert np.array_equal(together[1], found) and np.array_equal(together[2], found)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what is odd
def test_damaged_files_say_what_they_say_to_pillow():
    rng = random.Random(0)
    read = 0
    for _ in range(300):
        data = bytearray(rng.choice([PLAIN, USUAL["orientation 6"], USUAL["grey"]]))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(2, 400)] = rng.randrange(256)
        found, _ = jpeg.opened(io.BytesIO(bytes(data)))
        if found is None:
            continue
        try:
            image = Image.open(io.BytesIO(bytes(data)), formats=("JPEG",))
        except Exception:  # it refuses more, and so does decoding
            continue
        read += 1
        assert (found.width, found.height, found.grey) == (*image.size, image.mode == "L")
        lost = 0x0112 not in image.getexif()  # Pillow gives up all tags for a broken one
        assert found.orientation == decode_module._orientation(image) or lost
    assert read > 100


def test_decoding_is_in_the_key_of_a_store(monkeypatch):
    before = decode_module.decoders()
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    assert decode_module.decoders() != before or before[1] == ""
