"""Pins that metadata beside images adds what it says of them and hides none."""

import json
from pathlib import Path

import pytest

from horrors import encoded, picture
from lookalike.core.errors import LookalikeError
from lookalike.data import sources
from lookalike.data.image_index import ImageIndex


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images of a, three of b, in one folder."""
    for i, name in enumerate(("a0", "a1", "a2", "b0", "b1", "b2")):
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(i)))
    return tmp_path


def listed(place: Path) -> ImageIndex:
    found = sources.find(str(place))
    assert isinstance(found, ImageIndex)
    return found


def labels(image_index: ImageIndex) -> dict[str, str | None]:
    assert image_index.labels is not None
    return {e.name: label for e, label in zip(image_index.entries, image_index.labels, strict=True)}


def as_csv(rows: list[dict[str, str]]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n"


def as_jsonl(rows: list[dict[str, str]]) -> str:
    return "\n".join(map(json.dumps, rows)) + "\n\n"


@pytest.mark.parametrize(("name", "written"), [("metadata.csv", as_csv), ("metadata.jsonl", as_jsonl)])
def test_images_that_are_not_named_are_listed_without_a_label_and_counted(photos, name, written):
    rows = [{"file_name": f"{image}.png", "label": image[0]} for image in ("a0", "a1", "b0")]
    (photos / name).write_text(written(rows))
    found = listed(photos)
    assert labels(found) == {
        "a0.png": "a", "a1.png": "a", "a2.png": None, "b0.png": "b", "b1.png": None, "b2.png": None
    }  # fmt: skip
    (note,) = [note for note in found.notes if "not named" in note]
    assert note.startswith("3 images are not named in") and "'a2.png'" in note and "without a label" in note


def test_one_that_says_no_labels_leaves_those_of_the_folders(photos):
    for kind in "ab":
        (photos / kind).mkdir()
        for path in photos.glob(f"{kind}?.png"):
            path.rename(photos / kind / path.name)
    (photos / "metadata.csv").write_text("file_name,text\na/a0.png,words\n")
    assert set(labels(listed(photos)).values()) == {"a", "b"}


def test_capitals_of_its_name_do_not_matter(photos):
    (photos / "Metadata.CSV").write_text("file_name,label\na0.png,a\nb0.png,b\n")
    assert labels(listed(photos))["a0.png"] == "a"


@pytest.mark.parametrize("name", ["METADATA.CSV", "metadata.TSV", "Labels.csv", "labels.tsv", "ANNOTATIONS.csv"])
def test_names_that_are_usual(photos, name):
    tab = "\t" if name.lower().endswith("tsv") else ","
    (photos / name).write_text(f"filename{tab}Class\na0.png{tab}a\nb0.png{tab}b\n")
    assert labels(listed(photos))["a0.png"] == "a"


def test_metadata_comes_before_others(photos):
    (photos / "labels.csv").write_text("file_name,label\na0.png,no\nb0.png,yes\n")
    (photos / "metadata.csv").write_text("file_name,label\na0.png,a\nb0.png,b\n")
    assert labels(listed(photos))["a0.png"] == "a"


def test_a_table_of_boxes_is_none_of_labels(photos):
    (photos / "annotations.csv").write_text("file_name,label,x\na0.png,dog,1\na0.png,cat,2\n")
    found = listed(photos)
    assert found.labels is None and len(found.entries) == 6
    assert "annotations.csv has several labels for one image, and is not used" in found.notes


def test_one_in_a_single_part_makes_no_split(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.png").write_bytes(encoded(picture(i)))
    (folder / "metadata.csv").write_text("file_name,label\n0.png,a\n1.png,b\n")
    found = listed(tmp_path)
    assert found.split is None and set(labels(found).values()) == {"a", "b", None}


def test_names_that_are_not_there_are_refused_once(photos):
    (photos / "metadata.csv").write_text("file_name,label\na0.png,a\nb0.png,b\ngone.png,a\n")
    (photos / "link.png").symlink_to("nowhere")
    assert dict(listed(photos).refused) == {"gone.png": "No such file or directory", "link.png": "a link to nothing"}


def test_splits_of_its_own_and_of_folders(photos):
    (photos / "metadata.csv").write_text("file_name,split\na0.png,train\na1.png,validation\n")
    found = listed(photos)
    assert dict(zip((e.name for e in found.entries), found.split, strict=True)) == {
        "a0.png": "train", "a1.png": "test", **dict.fromkeys(("a2.png", "b0.png", "b1.png", "b2.png"), "train")
    }  # fmt: skip


def test_in_the_folders_of_splits_by_any_name(tmp_path):
    for part in ("Training", "valid"):
        (tmp_path / part).mkdir()
        for i in range(3):
            (tmp_path / part / f"{i}.png").write_bytes(encoded(picture(i)))
        (tmp_path / part / "metadata.csv").write_text("file_name,label\n0.png,x\n1.png,y\n")
    found = listed(tmp_path)
    assert found.split == ("train",) * 3 + ("test",) * 3 and found.labels == ("x", "y", None) * 2


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("metadata.csv", "a,b\n1,2\n", "the one of paths must be called"),
        ("metadata.csv", "file_name,label\nelsewhere.png,x\n", "names none of the images"),
        ("metadata.csv", '"broken', "unexpected end of data"),
        ("metadata.jsonl", '{"id": 1}\n', "line 1: no file_name"),
        ("metadata.jsonl", '{"file_name"\n', "line 1: "),
        ("metadata.jsonl", "[1]\n", "line 1: no file_name"),
    ],
)
def test_a_table_of_something_else_is_noted_and_hides_nothing(photos, name, text, words):
    (photos / name).write_text(text)
    found = listed(photos)
    assert len(found.entries) == 6 and found.labels is None
    assert any(words in note for note in found.notes)


def test_two_labels_of_one_image_are_an_error(photos):
    (photos / "metadata.jsonl").write_text(as_jsonl([{"file_name": "a0.png", "label": label} for label in "ab"]))
    with pytest.raises(LookalikeError, match="twice: with label 'a' .line 1. and label 'b' .line 2."):
        sources.find(str(photos))
