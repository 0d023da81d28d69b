"""Pins that nothing that lookalike wrote is taken for an image, wherever it lies and whatever it is called."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from horrors import encoded, picture
from lookalike import api
from lookalike.augment.recipes import build_augmentation
from lookalike.cli.main import main
from lookalike.core.config import Config
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_json
from lookalike.core.made_here import mark
from lookalike.core.passed_over import from_records
from lookalike.data import sources
from lookalike.data.base import LoadConfig
from lookalike.data.image_index import ImageIndex
from lookalike.data.loading import load
from lookalike.data.quality import examine
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.snapshots import Snapshots
from lookalike.methods.simclr import Options
from lookalike.report.verdict import verdict
from lookalike.runs.reader import RunReader

PHOTOS = tuple(f"{i}.png" for i in range(4))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, name in enumerate(PHOTOS):
        (folder / name).write_bytes(encoded(picture(i)))
    return folder


def names(data) -> list[str]:
    found = sources.find(data)
    assert isinstance(found, ImageIndex)
    return [entry.name for entry in found.entries]


def own(data) -> int:
    return sum(kind.count for kind in sources.find(data).passed_over if kind.reason == "own")


def begin_run(path: Path, photos: Path) -> RunFolder:
    """A run as its first step finds it: configuration, record and pictures."""
    images = load(str(photos), config=LoadConfig(store=False))
    run = RunFolder(path)
    run.claim("simclr", Options(data=str(photos)), images, "lookalike train")
    Snapshots(run.snapshots, images, build_augmentation("simclr-small", images.shape[1]), 0).begin(0)
    assert len(list(run.snapshots.glob("*.jpg"))) == 1 and (run.snapshots / "views.png").exists()
    return run


@pytest.mark.parametrize("place", ["runs/simclr-photos", "run", "deep/er/my holiday"])
def test_a_run_in_the_folder_of_its_images_is_no_part_of_them(photos, place):
    begin_run(photos / place, photos)
    assert names(str(photos)) == list(PHOTOS) and own(str(photos)) == 1


def test_a_run_is_known_by_its_files_and_not_by_its_name(photos):
    run = begin_run(photos / "runs" / "a", photos)
    shutil.copytree(run.path, photos / "Copy of a")
    shutil.copytree(run.snapshots, photos / "only the snapshots")
    (photos / "runs" / "holiday.png").write_bytes(encoded(picture(9)))  # a folder called runs is the user's own
    (photos / "cache").mkdir()
    (photos / "cache" / "1.png").write_bytes(encoded(picture(8)))
    assert names(str(photos)) == [*PHOTOS, "cache/1.png", "runs/holiday.png"] and own(str(photos)) == 3


def test_a_run_keeps_what_was_passed_over_and_its_page_says_it(photos):
    for i in range(3):
        (photos / f"{i}.cr2").write_bytes(b"raw")
    (photos / "metadata.csv").write_text("file_name,label\n0.png,a\n")
    run = begin_run(photos.parent / "run", photos)
    assert from_records(run.status().passed_over) == sources.find(str(photos)).passed_over
    words = " ".join(verdict(RunReader(run.path))["sentences"])
    assert "Note: 3 images are not named in" in words
    assert "3 raw files of cameras are passed over (3 x .cr2; '0.cr2'); export to JPEG, PNG or TIFF first." in words
    record = run.status().to_json()
    del record["passed_over"], record["notes"]  # as runs were before
    write_json(run.record, record)
    assert "passed over" not in " ".join(verdict(RunReader(run.path))["sentences"])


def test_too_few_images_beside_many_that_are_not_read(photos):
    for i in range(30):
        (photos / f"{i}.cr2").write_bytes(b"raw")
    images = load(str(photos), config=LoadConfig(store=False))
    with pytest.raises(
        LookalikeError, match=r"has 4 training images, fewer than .* 30 raw files of cameras are passed"
    ):
        api.configure(Config.asked("simclr", Options(data=str(photos)), ()), images, images.training)


def test_a_run_whose_record_is_lost_or_changed_is_one(photos):
    run = begin_run(photos / "a", photos)
    run.record.write_text("{")
    assert names(str(photos)) == list(PHOTOS)
    run.record.unlink()
    assert names(str(photos)) == list(PHOTOS)


def test_configurations_of_others_hide_nothing(photos):
    (photos / "mine").mkdir()
    (photos / "mine" / "1.png").write_bytes(encoded(picture(8)))
    (photos / "mine" / "config.toml").write_text("title = 'lookalike'\n")
    (photos / "mine" / "run.json").write_text('{"status": "mine"}')
    (photos / "mine" / "index.json").write_text("{}")
    assert names(str(photos)) == [*PHOTOS, "mine/1.png"]


def test_patterns_lists_and_archives_know_runs_too(photos):
    begin_run(photos / "runs" / "a", photos)
    everything = sorted(str(path) for path in photos.rglob("*.*g"))
    assert len(everything) == len(PHOTOS) + 2
    assert names(f"{photos}/**/*.*g") == list(PHOTOS)
    assert names(f"{photos}/*") == list(PHOTOS)  # the folder runs among them
    assert names(everything) == list(PHOTOS)
    (photos / "all.txt").write_text("\n".join(everything))
    assert names(str(photos / "all.txt")) == list(PHOTOS)
    with zipfile.ZipFile(photos.parent / "a.zip", "w") as archive:
        for path in photos.rglob("*"):
            archive.write(path, path.relative_to(photos.parent))
    assert names(str(photos.parent / "a.zip")) == list(PHOTOS)


def test_features_and_a_store_in_an_archive_are_passed_over(photos):
    with zipfile.ZipFile(photos.parent / "a.zip", "w") as archive:
        for path in sorted(photos.iterdir()):
            archive.write(path, f"p/{path.name}")
        table = io.BytesIO()
        np.save(table, np.zeros((9, 8), np.float32))
        archive.writestr("p/feats/embeddings.npy", table.getvalue())
        archive.writestr("p/feats/index.csv", "path\n")
        archive.writestr("p/cache/ab-48/index.npz", b"PK")
        archive.writestr("p/cache/ab-48/canvases", b"0")
    assert names(str(photos.parent / "a.zip")) == list(PHOTOS)
    found = sources.find(str(photos.parent / "a.zip"))
    assert isinstance(found, ImageIndex) and {kind.reason for kind in found.passed_over} <= {"own", "other"}


def test_a_run_is_no_collection(photos):
    run = begin_run(photos / "a", photos)
    with pytest.raises(LookalikeError, match="is a run and no folder of images"):
        sources.find(str(run.path))
    with pytest.raises(LookalikeError, match="was written by lookalike, which is no input"):
        sources.find(str(run.snapshots))


def test_a_store_among_the_images_is_passed_over(photos):
    before = load(str(photos), config=LoadConfig(cache=str(photos / "cache")))
    after = load(str(photos), config=LoadConfig(cache=str(photos / "cache")))
    assert after.paths == before.paths == PHOTOS and own(str(photos)) == 1
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize("name", ["views.png", "sheet.png", "mine.jpg", "mine.webp", "mine.tif"])
def test_a_sheet_of_views_is_no_image(photos, name):
    images = load(str(photos), config=LoadConfig(store=False))
    assert main(["views", str(photos), "--out", str(photos / name), "--images=2", "--views=2", "--no-store"]) == 0
    again = load(str(photos), config=LoadConfig(store=False))
    assert again.paths == images.paths and again.fingerprint == images.fingerprint
    if name == "views.png":  # is not even opened by a name that it has by default
        assert names(str(photos)) == list(PHOTOS) and own(str(photos)) == 1
    else:
        assert again.skipped == ((name, "made by lookalike itself"),)


def test_a_sheet_of_a_name_that_cannot_be_saved_is_refused(photos, capsys):
    assert main(["views", str(photos), "--out", str(photos / "sheet.xyz")]) != 0
    assert "--out must end in one of .png" in capsys.readouterr().err


def test_a_picture_of_the_users_by_a_name_of_ours_is_an_image(photos):
    for name in ("views.png", "sprite.png", "loss.png", "sheet-1.jpg"):
        (photos / name).write_bytes(encoded(picture(5), "JPEG" if name.endswith("jpg") else "PNG"))
    assert len(names(str(photos))) == len(PHOTOS) + 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP"])
def test_marked_pictures_are_known_when_they_are_opened(tmp_path, kind):
    for name, how in (("marked", mark(kind)), ("plain", {})):
        file = io.BytesIO()
        picture(1).save(file, kind, **how)
        (tmp_path / name).write_bytes(file.getvalue())
    reasons = {e.name: examine(e, 32)[1].reason for e in sources.find(str(tmp_path)).entries}
    assert reasons == {"marked": "made by lookalike itself", "plain": None}


def test_features_among_the_images_are_no_image(photos):
    np.save(photos / "embeddings.npy", np.zeros((9, 9), np.float32))
    assert "embeddings.npy" in names(str(photos))  # somebody's own
    (photos / "index.csv").write_text("path,split,label,cluster\n")
    assert names(str(photos)) == list(PHOTOS)


def test_the_mark_changes_no_pixel(tmp_path):
    image = picture(1)
    image.save(tmp_path / "a.png", **mark("PNG"))
    with Image.open(tmp_path / "a.png") as found:
        assert torch.equal(torch.from_numpy(np.array(found)), torch.from_numpy(np.array(image)))
