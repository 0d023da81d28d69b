"""Pins that files are told by suffix or first bytes, and that what is not read is counted by kind, kept and told."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from horrors import add_bytes, encoded, picture
from lookalike.core.errors import LookalikeError
from lookalike.core.passed_over import PassedOver, Tally, from_records, merged, sentences
from lookalike.data import folder, kinds, sources
from lookalike.data.image_index import ImageIndex
from lookalike.data.quality import examine, quality_of

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400)


@pytest.fixture
def without_heif(monkeypatch):
    """A machine on which pillow-heif is not installed."""
    monkeypatch.setattr(kinds, "_unread", lambda: dict.fromkeys((".heic", ".heif"), "heif"))
    for cached in (kinds.image_suffixes, kinds._reasons):
        cached.cache_clear()
    yield
    for cached in (kinds.image_suffixes, kinds._reasons):
        cached.cache_clear()


def listed(data) -> ImageIndex:
    found = sources.find(data)
    assert isinstance(found, ImageIndex)
    return found


def counts(image_index: ImageIndex) -> dict[tuple[str, str], int]:
    return {(kind.reason, kind.suffix): kind.count for kind in image_index.passed_over}


def names(image_index: ImageIndex) -> list[str]:
    return [entry.name for entry in image_index.entries]


def put(place: Path, name: str, data: bytes | None = None) -> None:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(picture(len(name)), "JPEG") if data is None else data)


# -- told by suffix or by first bytes

FORMATS = {
    ".jfif": "JPEG", ".jpe": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF",
    ".ppm": "PPM", ".tga": "TGA", ".ico": "ICO", ".avif": "AVIF", ".jp2": "JPEG2000", ".pcx": "PCX", ".dds": "DDS",
    ".sgi": "SGI", ".icns": "ICNS", ".xbm": "XBM",
}  # fmt: skip
SNIFFED = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_what_pillow_reads_is_listed_and_decoded(tmp_path, suffix):
    image = picture(3, (64, 64))
    (image.convert("1") if suffix == ".xbm" else image).save(tmp_path / f"one{suffix}", FORMATS[suffix])
    (tmp_path / f"one{suffix}").rename(tmp_path / f"ONE{suffix.upper()}")
    (entry,) = listed(str(tmp_path)).entries
    pixels, examined = examine(entry, 64)
    assert examined.reason is None and pixels is not None and pixels.shape[:2] == (64, 64)


@pytest.mark.parametrize("kind", SNIFFED)
@pytest.mark.parametrize(
    "name", ["0a1b2c", "photo.jpg_large", "photo.jpg~", "2023.01.05 beach", "x.dat", "a.jpg?w=100"]
)
def test_images_of_an_unknown_suffix_are_told_by_their_first_bytes(tmp_path, kind, name):
    put(tmp_path, name, encoded(picture(1), kind))
    put(tmp_path, "notes", b"not an image at all, though long enough to be looked at")
    (entry,) = listed(str(tmp_path)).entries
    assert entry.name == name and examine(entry, 32)[1].reason is None
    assert listed(str(tmp_path / name)).entries[0].name == name


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"8BPS\0\1", "layers"), (b"%PDF-1.7", "pages"), (b"\xff\x0a\0\0", "jxl"), (b"\0\0\0\x18ftypisom", "video"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "raw"), (b"RIFF\0\0\0\0AVI ", "video"), (bytes(128) + b"DICM", "science"),
        (b"SIMPLE  =  T", "science"), (b"BM no bitmap at all", "other"), (b"P4ssword", "other"), (b"", "other"),
        (b"II*", "other"), (b"RIFF\0\0\0\0WAVE", "other"),
    ],
)  # fmt: skip
def test_first_bytes_of_what_is_no_image(head, reason):
    assert kinds.reason_by_bytes(head) == reason


def test_a_text_by_an_unknown_suffix_is_not_opened_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "_ENOUGH", 3)
    opened = []
    monkeypatch.setattr(folder, "reason_by_bytes", lambda head: opened.append(head) or "other")
    put(tmp_path, "0.jpg")
    for i in range(9):
        put(tmp_path, f"{i}.unknown", b"text")
    assert counts(listed(str(tmp_path))) == {("other", ".unknown"): 9} and len(opened) == 3


def test_files_of_a_known_other_suffix_are_never_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "kind_by_bytes", lambda path: pytest.fail(f"{path} was opened"))
    put(tmp_path, "0.jpg")
    for name in ("a.txt", "a.xmp", "a.CR2", "a.mp4", "a.json", "a.tar.gz", "scan.nii.gz"):
        put(tmp_path, name, b"x")
    os.mkfifo(tmp_path / "pipe")  # to open one would wait for ever
    found = counts(listed(str(tmp_path)))
    assert found == {
        ("raw", ".cr2"): 1, ("video", ".mp4"): 1, ("named", ".tar.gz"): 1, ("science", ".nii.gz"): 1,
        ("other", ".txt"): 1, ("other", ".xmp"): 1, ("other", ".json"): 1, ("other", ""): 1,
    }  # fmt: skip


# -- counted and told


def test_heic_without_its_reader_is_told_with_the_line_that_installs_it(tmp_path, without_heif):
    put(tmp_path, "0.jpg")
    for i in range(3):
        put(tmp_path, f"IMG_{i}.HEIC", HEIC)
    put(tmp_path, "no suffix", HEIC)
    found = listed(str(tmp_path))
    assert names(found) == ["0.jpg"] and counts(found) == {("heif", ".heic"): 3, ("heif", ""): 1}
    quality = quality_of(found, [examine(entry, 32)[1] for entry in found.entries])
    (line,) = [line for line in quality.lines() if "HEIC" in line]
    assert line.startswith("4 HEIC photos are passed over (3 x .heic, 1 x (no suffix); 'IMG_0.HEIC')")
    assert "pip install 'lookalike[heif]'" in line
    with pytest.raises(LookalikeError, match=r"HEIC photo: .*lookalike\[heif\]"):
        sources.find(str(tmp_path / "IMG_0.HEIC"))


def test_a_folder_of_nothing_that_can_be_read_says_what_there_is(tmp_path, without_heif):
    put(tmp_path, "IMG_0.HEIC", HEIC)
    put(tmp_path, "a/b.cr2", b"raw")
    put(tmp_path, ".Trash-1000/c.jpg")
    with pytest.raises(LookalikeError) as error:
        sources.find(str(tmp_path))
    for part in ("1 x .heic", "lookalike[heif]", "1 raw file of a camera is passed over", "1 x .Trash-1000"):
        assert part in str(error.value)


def test_hidden_and_trash_are_no_images_and_no_classes(tmp_path):
    for name in ("a/0.jpg", "b/0.jpg", ".ipynb_checkpoints/0.jpg", "a/.ipynb_checkpoints/0.jpg", "$RECYCLE.BIN/0.jpg"):
        put(tmp_path, name)
    for name in ("a/.0.jpg", "b/._0.jpg", "b/Thumbs.db", ".private/0.jpg", ".IMG_1.HEIC.icloud"):
        put(tmp_path, name)
    found = listed(str(tmp_path))
    assert names(found) == ["a/0.jpg", "b/0.jpg"] and found.labels == ("a", "b")
    assert counts(found) == {
        ("cloud", ".icloud"): 1, ("hidden", ".0.jpg"): 1, ("hidden", ".private"): 1, ("trash", "$RECYCLE.BIN"): 1,
        ("trash", "._0.jpg"): 1, ("trash", ".ipynb_checkpoints"): 2, ("trash", "Thumbs.db"): 1,
    }  # fmt: skip
    assert names(listed(str(tmp_path / ".private"))) == ["0.jpg"]  # what is named is meant
    both = listed((str(tmp_path), str(tmp_path / ".private")))
    assert len(both.entries) == 3


def test_empty_folders_are_no_classes_and_are_counted(tmp_path):
    for name in ("a/0.jpg", "b/0.jpg"):
        put(tmp_path, name)
    (tmp_path / "c").mkdir()
    found = listed(str(tmp_path))
    assert found.labels == ("a", "b") and counts(found) == {("empty", "(folder)"): 1}
    assert sentences(found.passed_over)[1] == ["passed over: 1 empty folder ('c/')"]


def test_patterns_pass_over_the_same(tmp_path):
    for name in ("a/0.jpg", "a/1.HEIC", ".ipynb_checkpoints/0.jpg", "$RECYCLE.BIN/0.jpg", ".private/0.jpg"):
        put(tmp_path, name)
    assert names(listed(f"{tmp_path}/**/*.jpg")) == ["0.jpg"]
    assert names(listed(f"{tmp_path}/.private/*.jpg")) == ["0.jpg"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_hold_to_the_same_rules(tmp_path, kind, without_heif):
    members = {
        "d/a/0.jpg": encoded(picture(1), "JPEG"),
        "d/b/0a1b": encoded(picture(2), "PNG"),
        "d/b/none": b"no image",
        "d/IMG_0.HEIC": HEIC,
        "d/notes.docx": b"x",
        "d/words.txt": b"x",
        "__MACOSX/d/._0.jpg": b"x",
        "d/.hidden/1.jpg": encoded(picture(3), "JPEG"),
    }
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in members.items():
                packed.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as packed:
            for name, data in members.items():
                add_bytes(packed, name, data)
    found = listed(str(path))
    assert names(found) == ["a/0.jpg", "b/0a1b"] and found.labels == ("a", "b")
    assert [examine(entry, 32)[1].reason for entry in found.entries] == [None, None]
    assert counts(found) == {
        ("heif", ".heic"): 1, ("hidden", ".hidden"): 1, ("trash", "__MACOSX"): 1, ("other", ""): 1,
        ("other", ".docx"): 1, ("other", ".txt"): 1,
    }  # fmt: skip


def test_lists_name_what_they_mean(tmp_path, without_heif):
    for name in (".hidden/0.jpg", "0a1b", "1.HEIC", "note"):
        put(tmp_path, name, {"1.HEIC": HEIC, "note": b"words"}.get(name))
    (tmp_path / "l.txt").write_text(".hidden/0.jpg\n0a1b\n1.HEIC\nnote\n")
    found = listed(str(tmp_path / "l.txt"))
    assert names(found) == [".hidden/0.jpg", "0a1b"]
    reasons = dict(found.refused)
    assert "lookalike[heif]" in reasons["1.HEIC"] and reasons["note"] == "no image by its first bytes"


def test_several_places_are_counted_together(tmp_path):
    for name in ("x/0.jpg", "x/a.cr2", "x/b.cr2", "y/0.jpg", "y/c.cr2", "empty/a.cr2"):
        put(tmp_path, name, b"" if name.endswith("cr2") else None)
    found = listed(tuple(str(tmp_path / name) for name in ("x", "y", "empty")))
    assert names(found) == ["x/0.jpg", "y/0.jpg"] and counts(found) == {("raw", ".cr2"): 4}
    assert found.passed_over[0].example == "x/a.cr2"
    assert any("no images in" in note and "empty" in note for note in found.notes)


def test_a_file_among_places_that_is_no_image_is_counted(tmp_path):
    for name in ("0.jpg", "README.md", "a.cr2"):
        put(tmp_path, name, None if name == "0.jpg" else b"x")
    found = listed([str(path) for path in sorted(tmp_path.iterdir())])  # as a shell expands a star
    assert names(found) == ["0.jpg"] and counts(found) == {("raw", ".cr2"): 1, ("other", ".md"): 1}
    with pytest.raises(LookalikeError, match=r"README\.md is none of what can be read"):
        sources.find(str(tmp_path / "README.md"))


def test_folders_that_are_closed_are_told(tmp_path, monkeypatch):
    put(tmp_path, "a/0.jpg")
    put(tmp_path, "closed/1.jpg")
    scan = os.scandir

    def scandir(place):
        if str(place).rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied", place)
        return scan(place)

    monkeypatch.setattr(folder.os, "scandir", scandir)
    assert listed(str(tmp_path)).refused == (("closed/", "this folder cannot be read: Permission denied"),)


def test_odd_names_can_be_printed_and_kept(tmp_path):
    put(tmp_path, "0.jpg")
    for raw in (b"caf\xe9.cr2", b"new\nline.x\ny", b".caf\xe9", b"a.\xe9\xe9"):
        (tmp_path / os.fsdecode(raw)).write_bytes(b"x")
    found = listed(str(tmp_path)).passed_over
    kept = json.loads(json.dumps([kind.record() for kind in found], ensure_ascii=False).encode())
    assert from_records(kept) == found and len(found) == 3
    for line in (*sentences(found)[0], *sentences(found)[1]):
        line.encode()
        assert "\n" not in line


def test_many_suffixes_are_a_few_kinds():
    tally = Tally()
    for i in range(1000):
        tally.add("other", f".x{i}", f"a.x{i}")
    found = tally.result()
    assert sum(kind.count for kind in found) == 1000 and len(found) < 50
    assert merged([("p", found), ("q", found)])[0].example.startswith("p/a.x")


@pytest.mark.parametrize(
    "values",
    [None, "text", [1, None], [{"reason": "raw"}], [{"reason": "raw", "suffix": 1, "count": 1, "example": ""}]],
)
def test_records_of_other_versions_are_left_out(values):
    assert from_records(values) == ()


def test_sentences_are_loud_where_somebody_may_miss_them():
    found = [PassedOver("video", ".mp4", 1, "a.mp4"), PassedOver("other", ".txt", 1200, "a.txt")]
    loud, quiet = sentences([*found, PassedOver("a later reason", ".x", 2, "b.x")])
    assert loud == [
        "1 video is passed over (1 x .mp4; 'a.mp4'); frames can be taken out as images: ffmpeg -i VIDEO frames/%06d.jpg"
    ]
    assert quiet == ["passed over: 1,202 files that are no images (1,200 x .txt, 2 x .x)"]
    assert sentences([]) == ([], [])


def test_arrays_are_still_images(tmp_path):
    file = io.BytesIO()
    np.save(file, np.zeros((8, 8, 3), np.uint8))
    put(tmp_path, "a.npy", file.getvalue())
    Image.new("L", (8, 8)).save(tmp_path / "b.png")
    assert names(listed(str(tmp_path))) == ["a.npy", "b.png"]
