"""What a file is that is no image, by its first bytes: what was found, and what to do about it."""

from __future__ import annotations

import re

HEAD = 1024
"""Bytes that are looked at."""

_CONVERT = "convert it to JPEG or PNG first"
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\0\x05\x16\x07", "what macOS keeps beside a file (AppleDouble), no image: it can be removed"),
    (b"\0\x05\x16\0", "what macOS keeps beside a file (AppleSingle), no image"),
    (b"version https://git-lfs", "a Git LFS pointer in place of the file: fetch the files with `git lfs pull`"),
    (b"/annex/objects/", "a git-annex pointer in place of the file: fetch the files with `git annex get`"),
    (b"%PDF", "a PDF document: export its pages as images first"),
    (b"%!PS", f"a PostScript file: {_CONVERT}"),
    (b"\xc5\xd0\xd3\xc6", f"a PostScript file: {_CONVERT}"),
    (b"PK\x03\x04", "a ZIP archive (or a document that is one): name it .zip, or unpack it"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
    (b"BZh", "a bzip2 file: unpack it first"),
    (b"\xfd7zXZ\0", "an xz file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x93NUMPY", "a numpy array: name it .npy"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file: save its images as .npy or image files first"),
    (b"SIMPLE  =", "a FITS image: convert it to TIFF, PNG or .npy first"),
    (b"8BPS", "a damaged picture in layers (PSD): export it to PNG first"),
    (b"CDF\x01", "a NetCDF file: save its images as .npy or image files first"),
    (b"CDF\x02", "a NetCDF file: save its images as .npy or image files first"),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM): save its frames as images first"),
    (b"\0\0\x01\xba", "a video (MPEG): save its frames as images first"),
    (b"\0\0\x01\xb3", "a video (MPEG): save its frames as images first"),
    (b"FLV\x01", "a video (FLV): save its frames as images first"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound or video file (Ogg)"),
    (b"fLaC", "a sound file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x80\x02", "a Python pickle: save its images as .npy or image files first"),
    (b"\x80\x04", "a Python pickle: save its images as .npy or image files first"),
    (b"\x80\x05", "a Python pickle: save its images as .npy or image files first"),
    (b"PAR1", "a Parquet file: give it to `datasets` and its images to `lookalike` from Python"),
    (b"\xd7\xcd\xc6\x9a", f"a Windows metafile: {_CONVERT}"),
    (b"\xff\x0a", f"a JPEG XL image: {_CONVERT}"),
    (b"\0\0\0\x0cJXL ", f"a JPEG XL image: {_CONVERT}"),
    (b"gimp xcf", "a GIMP project: export it as an image first"),
    (b"v/1\x01", f"an OpenEXR image: {_CONVERT}"),
    (b"#?RADIANCE", f"a Radiance HDR image: {_CONVERT}"),
    (b"II\xbc\x01", f"a JPEG XR image: {_CONVERT}"),
    (b"BM", "a damaged BMP image"),
    (b"GIF8", "a damaged GIF image"),
    (b"\x89PNG", "a damaged PNG image"),
    (b"\xff\xd8\xff", "a damaged JPEG image"),
    (b"II*\0", "a damaged TIFF image, or one of a kind that is not read"),
    (b"MM\0*", "a damaged TIFF image, or one of a kind that is not read"),
    (b"II+\0", "a damaged TIFF image, or one of a kind that is not read"),
    (b"MM\0+", "a damaged TIFF image, or one of a kind that is not read"),
)
_RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
RAW = "a camera's raw file: develop it to JPEG or TIFF first"
_BRANDS = (
    (
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        f"a HEIC image of a kind that is not read: {_CONVERT}",
    ),
    ((b"avif", b"avis"), f"an AVIF image that cannot be opened: {_CONVERT}, or pip install --upgrade pillow"),
    ((b"crx ",), RAW),
    ((b"jp2 ", b"jpx "), f"a JPEG 2000 image: {_CONVERT}"),
    ((b"M4A ", b"M4B "), "a sound file"),
)
_MARKUP = (
    (rb"<!doctype html|<html|<head|<body", "a web page (HTML) in place of the image: download the file itself"),
    (rb"<svg|<!doctype svg", f"a drawing (SVG): {_CONVERT}"),
    (rb"<error>|<error\s", "an error of a web service (XML) in place of the image: download it again"),
    (rb"<\?xml|<[a-z]", "a text (XML), no image"),
)
_CONTROL = bytes(sorted({*range(32)} - {*b"\t\n\r\f\x1b"}))


def what_is(head: bytes) -> str:
    """What a file is, by its first bytes (at most `HEAD`), that could not be opened as an image; and a remedy."""
    head = head[:HEAD]
    if not head:
        return "empty (0 bytes)"
    if not head.strip(b"\0"):
        return "nothing but zero bytes: copy it again from where it came"
    if head.startswith(_RAW_MAGIC) or (head[8:10] == b"CR" and head.startswith((b"II*\0", b"MM\0*"))):
        return RAW
    for magic, words in _MAGIC:
        if head.startswith(magic):
            return words
    if head[4:8] == b"ftyp":
        return next((words for brands, words in _BRANDS if head[8:12] in brands), _VIDEO)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _VIDEO
    if head.startswith(b"RIFF"):
        return {b"AVI ": "a video (AVI): save its frames as images first", b"WAVE": "a sound file"}.get(
            head[8:12], "a damaged WebP image" if head[8:12] == b"WEBP" else _UNKNOWN
        )
    if head[128:132] == b"DICM":
        return "a DICOM image: convert it to PNG, TIFF or .npy first"
    if head[257:262] == b"ustar":
        return "a tar archive: name it .tar, or unpack it"
    return _text(head) or _UNKNOWN


_VIDEO = "a video (MP4 or MOV): save its frames as images first"
_UNKNOWN = "no image of a known format (damaged or misnamed)"


def _text(head: bytes) -> str:
    """Which kind of text it is; empty where it is none."""
    for mark, code in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            head = head[len(mark) :].decode(code, "ignore").encode()
    start = head.lstrip()
    if not start or any(byte in _CONTROL for byte in head):
        return ""
    if start.startswith(b"<"):
        return next((words for pattern, words in _MARKUP if re.search(pattern, start.lower())), "")
    if re.match(rb"[\[{]\s*[\"{\[\]}0-9]", start):
        return "a text (JSON) in place of the image, maybe an error of a web service: download it again"
    try:
        start[: len(start) // 2].decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) // 2 - 4:
            return ""
    return "a text in place of the image"
