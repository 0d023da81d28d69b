"""What a file is that is no image is said, with a remedy; and what is an image is read, whatever its name says."""

import gzip
import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image, features

from deep_files import npy
from horrors import encoded, picture
from lookalike.data import heif
from lookalike.data.decode import Unreadable, decode, header, open_image
from lookalike.data.folder import open_file


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    return file.getvalue()


def box(brand: bytes, *more: bytes) -> bytes:
    content = b"ftyp" + brand + bytes(4) + b"".join(more)
    return (len(content) + 4).to_bytes(4, "big") + content + bytes(100)


FILES = {
    "a Git LFS pointer.*git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "a git-annex pointer.*git annex get": b"/annex/objects/SHA256E-s1234--abc.jpg\n",
    "a web page .HTML.": b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>",
    "a web page .HTML. ": b"\xef\xbb\xbf\n\n  <HTML lang='en'>",
    "an error of a web service .XML.": b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
    "a drawing .SVG.": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "a drawing .SVG.: ": b'<svg width="3"/>',
    "a text .XML.": b'<?xml version="1.0"?>\n<annotation><filename>a.jpg</filename></annotation>',
    "a text .JSON.": b'{"message": "Not Found"}',
    "a text .JSON. ": b'[{"error": 1}]',
    "a text in place": "nur ein Text, mit Umlauten: \u00e4\u00f6\u00fc".encode(),
    "a text in place ": "UTF-16".encode("utf-16"),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "a ZIP archive": zipped(),
    "a gzip file": gzip.compress(b"words"),
    "a video .MP4": box(b"isom", b"isom", b"avc1"),
    "a video .MP4 ": box(b"qt  "),
    "a video .MP4  ": b"\0\0\0\x08wide\0\0\0\x00mdat" + bytes(50),
    "a video .Matroska": b"\x1aE\xdf\xa3" + bytes(50),
    "a video .AVI": b"RIFF\x10\0\0\0AVI LIST" + bytes(50),
    "raw file": b"FUJIFILMCCD-RAW 0201" + bytes(50),
    "raw file ": b"II*\0\x10\0\0\0CR\x02\0" + bytes(50),
    "raw file  ": box(b"crx "),
    "a DICOM image": bytes(128) + b"DICM" + bytes(50),
    "a tar archive": b"a.txt".ljust(257, b"\0") + b"ustar\x0000" + bytes(200),
    "a numpy array: name it .npy": npy(np.zeros((3, 3))),
    "an HDF5": b"\x89HDF\r\n\x1a\n" + bytes(50),
    "a Python pickle": b"\x80\x04\x95" + bytes(50),
    "a JPEG XL": b"\xff\x0a" + bytes(50),
    "an OpenEXR": b"v/1\x01" + bytes(50),
    "nothing but zero bytes": bytes(5000),
    "what macOS keeps beside a file": b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + bytes(50),
    "a FITS image": b"SIMPLE  =                    T".ljust(2880),
    "a damaged picture in layers": b"8BPS\0\1" + bytes(50),
    "a damaged JPEG": b"\xff\xd8\xff but no picture",
    "a damaged GIF": b"GIF89a",
    "no image of a known format": bytes(range(128, 256)) * 4,
}


@pytest.mark.parametrize("reason", FILES)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".npy"])
def test_what_it_is_is_said(tmp_path, reason, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(FILES[reason])
    if suffix == ".npy" and "numpy" in reason:
        return
    with pytest.raises(Unreadable, match=f"^(a camera's )?{reason.strip()}"):
        decode(open_file(str(path)), 64)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif", "x.webp"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "ICO", "TGA", "PCX"])
def test_an_image_is_read_by_whatever_name(tmp_path, kind, name):
    data = encoded(picture().convert("P" if kind == "GIF" else "RGB"), kind)
    (tmp_path / name).write_bytes(data)
    found = decode(open_file(str(tmp_path / name)), 64, 3)
    with Image.open(io.BytesIO(data)) as image:
        assert found.shape == (30, 40, 3) if kind != "ICO" else found.shape[2] == 3
        if kind not in ("JPEG", "ICO"):
            assert np.array_equal(found, np.array(image.convert("RGB")))


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_avif(mode):
    x = np.array(picture().convert(mode))
    x[:, :20, 3:] = 0
    found = decode(open_image(io.BytesIO(encoded(Image.fromarray(x), "AVIF", quality=95))), 64)
    assert found.shape == (30, 40, 3) and np.abs(found[:, 20:].astype(int) - x[:, 20:, :3]).mean() < 12
    assert mode == "RGB" or (found[:, :19] > 250).all()


def heic(image: Image.Image, **options) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="an optional extra")
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, **options)
    return file.getvalue()


def test_heic_is_read_and_pillow_left_as_it_was(tmp_path):
    image = picture(1, (60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "x.jpg").write_bytes(heic(image, quality=95))
    (tmp_path / "turned.heic").write_bytes(heic(image, quality=95, exif=exif.tobytes()))
    before = dict(Image.OPEN)
    plain = decode(open_file(str(tmp_path / "x.jpg")), 64)
    assert np.abs(plain.astype(int) - np.array(image)).mean() < 8
    raw = open_image(tmp_path / "turned.heic")
    assert (header(raw).width, header(raw).height) == (40, 60)
    assert np.abs(decode(raw, 64).astype(int) - np.rot90(plain, -1)).mean() < 1
    assert "HEIF" not in Image.OPEN or "HEIF" in before


def test_heic_of_a_stream_with_alpha():
    x = np.array(picture(1, (60, 40)).convert("RGBA"))
    x[:, :30, 3] = 0
    found = decode(open_image(io.BytesIO(heic(Image.fromarray(x), quality=95))), 64)
    assert (found[:, :28] > 250).all() and found[:, 32:].mean() < 250


def test_heic_without_what_reads_it_comes_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for data in (box(b"heic", b"mif1", b"heic"), box(b"mif1", b"mif1", b"heic")):
        with pytest.raises(Unreadable, match=r"a HEIC image, which needs pillow-heif: pip install 'lookalike\[heif\]'"):
            open_image(io.BytesIO(data))


def test_heic_that_is_damaged():
    data = heic(picture(1, (60, 40)))
    for cut in (50, 200, len(data) // 2, len(data) - 50):
        with pytest.raises(Unreadable):
            decode(open_image(io.BytesIO(data[:cut])), 64)
    with pytest.raises(Unreadable, match=r"^a damaged HEIC image"):
        open_image(io.BytesIO(data[:200]))


def test_avif_is_not_taken_for_heic():
    assert not heif.is_heif(box(b"avif", b"mif1", b"avif")) and not heif.is_heif(box(b"mif1", b"mif1", b"avif"))
    assert heif.is_heif(box(b"mif1", b"mif1", b"heic")) and not heif.is_heif(box(b"isom"))


def test_no_program_is_started_for_postscript(tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", never)
    (tmp_path / "x.jpg").write_bytes(encoded(picture(), "EPS"))
    with pytest.raises(Unreadable, match="a PostScript file"):
        open_file(str(tmp_path / "x.jpg"))


def test_a_damaged_heic_image_is_called_one(tmp_path):
    pytest.importorskip("pillow_heif", reason="an optional extra")
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(400))
    with pytest.raises(Unreadable, match="^a damaged HEIC image"):
        open_file(str(path))
