"""A JPEG that lacks only its end marker is whole, with simplejpeg and without; one cut in its picture says how far."""

import io

import numpy as np
import pytest

from horrors import encoded, picture
from lookalike.data import jpeg
from lookalike.data.decode import Unreadable, decode, open_image

FILES = {
    "baseline": encoded(picture(1, (203, 151)), "JPEG", quality=90),
    "grey": encoded(picture(1, (203, 151)).convert("L"), "JPEG"),
    "progressive": encoded(picture(1, (203, 151)), "JPEG", progressive=True),
    "tiny": encoded(picture(1, (9, 7)), "JPEG"),
    "restarts": encoded(picture(1, (203, 151)), "JPEG", restart_marker_rows=1),
    "four channels": encoded(picture(1, (203, 151)).convert("CMYK"), "JPEG"),
    "several pictures": encoded(picture(1, (203, 151)), "MPO"),
}


def decoded(data: bytes, side: int = 300) -> np.ndarray:
    return decode(open_image(io.BytesIO(data)), side)


@pytest.fixture(params=["simplejpeg", "Pillow"], autouse=True)
def decoder(request, monkeypatch):
    if request.param == "Pillow":
        monkeypatch.setattr(jpeg, "simplejpeg", None)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("side", [300, 60])
def test_without_its_end_marker_it_is_whole(name, side):
    data = FILES[name]
    assert data.endswith(b"\xff\xd9")
    for cut in (data[:-2], data[:-1]):
        assert np.array_equal(decoded(cut, side), decoded(data, side))


@pytest.mark.parametrize("more", [b"garbage", bytes(10), bytes(5000), b"\r\n<html>", FILES["tiny"]])
def test_what_comes_after_the_end_is_left_alone(more):
    data = FILES["baseline"]
    assert np.array_equal(decoded(data + more), decoded(data))


@pytest.mark.parametrize(
    ("name", "share", "reason"),
    [
        ("baseline", 0.5, "truncated: about [456]0 % of the picture is missing"),
        ("grey", 0.8, "truncated: about [123]0 % of the picture is missing"),
        ("four channels", 0.5, "truncated: about [456]0 % of the picture is missing"),
        ("restarts", 0.5, "truncated: about [4567]0 % of the picture is missing"),
        ("progressive", 0.5, "truncated: the last steps of a progressive JPEG are missing"),
        ("progressive", 0.97, "truncated in the middle of a progressive JPEG"),
        ("baseline", 0.05, "truncated"),
    ],
)
def test_cut_in_the_picture(name, share, reason):
    data = FILES[name]
    with pytest.raises(Unreadable, match=reason):
        decoded(data[: int(share * len(data))])


def test_a_few_bytes_of_the_picture_are_missed():
    with pytest.raises(Unreadable, match="truncated"):
        decoded(FILES["baseline"][:-12])


def test_a_file_that_was_never_written_to_its_end():
    data = FILES["baseline"]
    with pytest.raises(Unreadable, match="truncated: the rest of the file is empty"):
        decoded(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


@pytest.mark.parametrize(
    ("kind", "bits", "reason"),
    [
        (0xC0, 12, "a JPEG of 12 bits"),
        (0xC1, 12, "a JPEG of 12 bits"),
        (0xC3, 8, "lossless"),
        (0xC5, 8, "hierarchical"),
    ],
)
def test_kinds_that_are_not_read_are_named(kind, bits, reason):
    data = bytearray(FILES["baseline"])
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = kind, bits
    with pytest.raises(Unreadable, match=reason):
        decoded(bytes(data))
