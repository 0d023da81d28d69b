"""macOS writes accents in file names as letters of their own, people and tables have them composed: both are meant."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.cli.commands.search import image_files
from lookalike.core.label_files import read_given, rows_of
from lookalike.core.names import as_spelt, composed, spelt_in
from lookalike.data.image_index import ImageIndex
from lookalike.data.sources import find

NFC, NFD = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of two cafés, whose folder and files macOS has named."""
    folder = tmp_path / NFD
    for i in range(4):
        place = folder / (NFD if i % 2 else "bar")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(place / f"{NFD} {i}.png")
    return folder


def listed(data: str) -> ImageIndex:
    found = find(data)
    assert isinstance(found, ImageIndex)
    return found


def test_a_path_is_found_in_the_spelling_of_the_file_system(photos: Path, tmp_path: Path):
    assert NFC != NFD and composed(NFD) == composed(NFC) == NFC
    typed = f"{tmp_path}/{NFC}/{NFC}/{NFC} 1.png"
    assert as_spelt(typed) == str(photos / NFD / f"{NFD} 1.png")
    assert as_spelt(f"{tmp_path}/{NFC}/none.png") == f"{tmp_path}/{NFC}/none.png"
    assert spelt_in(tmp_path, f"{NFC}/{NFC}/{NFC} 1.png") == f"{NFD}/{NFD}/{NFD} 1.png"
    assert spelt_in(tmp_path, f"{NFC}/none.png") == f"{NFC}/none.png"


def test_of_two_that_look_the_same_the_one_that_is_spelt_so_counts(tmp_path: Path):
    for name in (NFC, NFD):
        (tmp_path / name).write_text(name, encoding="utf-8")
    assert [as_spelt(tmp_path / name) for name in (NFC, NFD)] == [str(tmp_path / NFC), str(tmp_path / NFD)]


def test_data_and_queries_are_found_as_they_are_typed(photos: Path, tmp_path: Path):
    assert len(listed(f"{tmp_path}/{NFC}").entries) == 4
    files, unread = image_files([f"{tmp_path}/{NFC}/{NFC}/{NFC} 3.png"])
    assert (files, unread) == ([str(photos / NFD / f"{NFD} 3.png")], {})


def test_classes_are_composed_wherever_they_come_from(photos: Path, tmp_path: Path):
    assert set(listed(str(photos)).labels or ()) == {"bar", NFC}
    (photos / "list.csv").write_text(
        f"path,label\n{NFC}/{NFC} 1.png,{NFC}\n{NFC}/{NFC} 3.png,{NFD}\nbar/{NFD} 0.png,x\n", encoding="utf-8"
    )
    found = listed(str(photos / "list.csv"))
    assert [entry.name for entry in found.entries] == [f"{NFD}/{NFD} 1.png", f"{NFD}/{NFD} 3.png", f"bar/{NFD} 0.png"]
    assert found.labels == (NFC, NFC, "x")


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_metadata_names_files_in_either_spelling(name: str, photos: Path):
    rows = [(f"{NFC}/{NFC} 1.png", NFC), (f"bar/{NFC} 0.png", NFD)]
    head = "file_name,label\n" if name.endswith("csv") else ""
    line = "{},{}\n" if head else '{{"file_name": "{}", "label": "{}"}}\n'
    (photos / name).write_text(head + "".join(line.format(*row) for row in rows), encoding="utf-8")
    found = listed(str(photos))
    label_of = dict(zip((entry.name for entry in found.entries), found.labels or (), strict=True))
    assert label_of == {
        f"{NFD}/{NFD} 1.png": NFC,
        f"bar/{NFD} 0.png": NFC,
        f"{NFD}/{NFD} 3.png": None,
        f"bar/{NFD} 2.png": None,
    }


def test_labels_are_given_in_either_spelling(tmp_path: Path):
    (tmp_path / "labels.csv").write_text(f"path,label\na/{NFC}.jpg,{NFD}\nb/{NFD}.jpg,{NFC}\n", encoding="utf-8")
    by_row, _ = rows_of(read_given([str(tmp_path / "labels.csv")]), [f"a/{NFD}.jpg", f"b/{NFC}.jpg"], "the run")
    assert by_row == {0: NFC, 1: NFC}
