"""Runs that are not whole: the page shows what is there and says what is missing."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lookalike.core.errors import LookalikeError
from lookalike.report.collect import collect
from lookalike.report.packing import unpacked
from lookalike.runs.folder import RunFolder
from small_runs import NEAR, SAME, UNLIKE, planted, small_run


@pytest.fixture
def folder(whole: RunFolder, tmp_path: Path) -> Path:
    """A copy of it to be spoilt."""
    return Path(shutil.copytree(whole.path, tmp_path / "run"))


def page_of(folder: Path) -> tuple[dict, dict, str]:
    """The page, its run, and what is missing in one text; the page is plain JSON."""
    page = collect([folder], threads=1)
    assert json.loads(json.dumps(page, allow_nan=False))["runs"]
    return page, page["runs"][0], "\n".join(page["missing"])


def columns(folder: Path, **values: str) -> None:
    """Put the same value into a column of index.csv for all rows."""
    with open(folder / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "index.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, **values} for row in rows)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(
        LookalikeError, match=r"nowhere is no run folder: there is no such folder\. `lookalike runs ls`"
    ):
        collect([tmp_path / "nowhere"], threads=1)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(LookalikeError, match=r"is no run folder: run\.json not found in it"):
        collect([tmp_path], threads=1)
    (tmp_path / "config.toml").unlink()
    with pytest.raises(LookalikeError, match=r"config\.toml and run\.json not found in it"):
        collect([tmp_path], threads=1)


def test_interrupted_before_its_first_snapshot(folder: Path):
    for name in ("snapshots", "checkpoints"):
        shutil.rmtree(folder / name)
    for name in ("embeddings.npy", "clusters.json", "evaluation.json", "encoder.safetensors"):
        (folder / name).unlink()
    (folder / "metrics.jsonl").write_text("")
    columns(folder, cluster="")
    RunFolder(folder).update("interrupted")
    page, run, missing = page_of(folder)
    assert len(page["images"]["paths"]) == 240
    assert page["images"]["sheets"] == []
    for key in ("map", "neighbours", "clusters", "duplicates", "outliers", "evaluation", "views"):
        assert run[key] is None, key
    assert run["snapshots"] == []
    assert "No snapshots: it was interrupted before its first look at the network." in missing
    assert "Views, curves, groups, outliers and an evaluation come with learning" in missing
    assert "The run is not complete (status: interrupted)." in run["verdict"]["sentences"][0]
    assert "Go on with the run: lookalike train --config" in run["verdict"]["sentences"][-1]
    (folder / "index.csv").unlink()
    page, _, missing = page_of(folder)
    assert page["images"]["paths"][:2] == ["image 0", "image 1"]
    assert "No labels" in missing


def test_interrupted_between_two_snapshots(folder: Path):
    for name in ("embeddings.npy", "clusters.json", "evaluation.json"):
        (folder / name).unlink()
    columns(folder, cluster="")
    RunFolder(folder).update("interrupted")
    page, run, missing = page_of(folder)
    assert len(run["map"]["frames"]) == len(run["snapshots"]) == 4
    assert run["neighbours"]["rate"]
    assert run["duplicates"]["exact"] == [list(SAME)]  # from the last snapshot
    assert list(NEAR) in run["duplicates"]["near"]
    assert run["outliers"][0]["image"] == UNLIKE
    assert "is of a part at most: let the run finish." in missing
    assert page["images"]["sheets"]


def test_without_labels(tmp_path: Path):
    images = dataclasses.replace(planted(120), labels=None, classes=())
    _, run, missing = page_of(small_run(tmp_path / "run", images=images, epochs=1, batch_size=60).path)
    assert run["neighbours"]["rate"] is None and run["neighbours"]["chance"] is None
    assert all(group["purity"] is None and group["label"] is None for group in run["clusters"]["groups"])
    assert "No labels" in missing and "No evaluation" not in missing
    assert "There are no labels, so no accuracy." in run["verdict"]["sentences"]


def test_without_groups_and_without_snapshots(tmp_path: Path, whole: RunFolder):
    run = small_run(tmp_path / "run", "simclr", epochs=1, snapshots=False)
    columns(run.path, cluster="")
    run.clusters.unlink()
    page, part, missing = page_of(run.path)
    assert part["clusters"] is None
    assert "No groups of the images: lookalike cluster" in missing
    assert "it was trained with --no-snapshots, or by an older version" in missing
    assert "There are no thumbnails" in missing
    assert [s["name"] for s in part["snapshots"]] == ["epoch 1"]
    assert unpacked(part["map"]["frames"][0]).shape == (240, 2)  # from the embeddings
    assert part["duplicates"]["exact"]  # by features
    assert page["images"]["sheets"] == []
    both = collect([run.path, whole.path], threads=1)  # the thumbnails of one serve both
    assert both["images"]["sheets"]
    assert "No snapshots of run: it was trained" in "\n".join(both["missing"])


def test_one_cluster(folder: Path):
    columns(folder, cluster="0")
    _, run, _ = page_of(folder)
    (group,) = run["clusters"]["groups"]
    assert group["size"] == 240
    assert len(group["typical"]) == 24
    assert group["border"] == []


def test_three_images(tmp_path: Path, whole: RunFolder):
    folder = Path(shutil.copytree(whole.path, tmp_path / "three"))
    with open(folder / "index.csv", newline="") as file:
        lines = file.readlines()
    (folder / "index.csv").write_text("".join(lines[:4]))
    index = json.loads((folder / "snapshots" / "index.json").read_text())
    for frame in index["frames"]:
        for key in {"file", "clusters"} & frame.keys():
            path = folder / "snapshots" / frame[key]
            np.save(path, np.load(path)[:3])
    (folder / "snapshots" / "index.json").write_text(json.dumps({**index, "rows": [0, 1, 2]}))
    thumbs = json.loads((folder / "snapshots" / "thumbs.json").read_text())
    thumbs |= {"rows": [0, 1, 2], "sheets": [{"file": "thumbs-0.jpg", "first": 0, "count": 3}]}
    (folder / "snapshots" / "thumbs.json").write_text(json.dumps(thumbs))
    np.save(folder / "snapshots" / "hashes.npy", np.load(folder / "snapshots" / "hashes.npy")[:3])
    np.save(folder / "embeddings.npy", np.load(folder / "embeddings.npy")[:3])
    page, run, _ = page_of(folder)
    assert len(page["images"]["paths"]) == 3
    assert run["neighbours"]["k"] == 2
    assert all(unpacked(frame).shape == (3, 2) for frame in run["map"]["frames"])
    assert len(run["outliers"]) == 1
    for kept in (1, 2):
        page = collect([folder], max_thumbs=kept)
        assert len(page["images"]["paths"]) == kept
        json.dumps(page, allow_nan=False)


def test_images_that_have_been_deleted_since(folder: Path):
    config = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(config.replace('data = "digits"', 'data = "/nowhere/photos"'))
    page, _, missing = page_of(folder)
    assert missing == ""
    assert page["images"]["sheets"]
    assert page["title"] == "DeepCluster on photos"


def test_metrics_whose_last_line_is_cut(folder: Path):
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(text[:-40])
    _, run, missing = page_of(folder)
    events = len(text.splitlines())
    assert f"is cut or damaged after {events - 1} of {events} lines" in missing
    assert sum(map(len, run["curves"].values())) == events - 1


def test_a_run_of_a_newer_version(folder: Path):
    record = json.loads((folder / "run.json").read_text())
    record["versions"]["lookalike"] = "9.1.0"
    record["shape"] = None
    (folder / "run.json").write_text(json.dumps(record))
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"event": "moon", "step": 99}\n')
    with open(folder / "config.toml", "a") as file:
        file.write('moon = "full"\n')
    index = json.loads((folder / "snapshots" / "index.json").read_text())
    (folder / "snapshots" / "index.json").write_text(json.dumps({**index, "format": 2}))
    _, run, missing = page_of(folder)
    assert "was written by lookalike 9.1.0" in missing
    assert "snapshots is of format 2, and this version reads 1" in missing
    assert "No snapshots" not in missing
    assert [s["name"] for s in run["snapshots"]] == ["epoch 2"]  # of the embeddings
    assert run["card"]["config"]["moon"] == "full"


FILES = [
    *("config.toml", "run.json", "index.csv", "clusters.json", "evaluation.json", "embeddings.npy", "skipped.csv"),
    *("snapshots/index.json", "snapshots/thumbs.json", "snapshots/hashes.npy", "snapshots/thumbs-0.jpg"),
    *("snapshots/000000.npy", "snapshots/pixels.npy", "snapshots/views.png", "snapshots/000003-clusters.npy"),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "other kind"])
def test_a_damaged_file_costs_only_what_was_in_it(folder: Path, name: str, damage: str):
    path = folder / name
    data = path.read_bytes()
    other = {"json": b"[1, 2]", "npy": _saved(np.arange(3))}.get(path.suffix[1:], b"\xff\xfe,1\n2,3")
    path.write_bytes(
        {"cut": data[: len(data) // 2], "garbage": b"\x00\xff{", "empty": b"", "other kind": other}[damage]
    )
    page, run, missing = page_of(folder)
    assert page["images"]["paths"]
    if damage == "garbage" and name not in ("snapshots/views.png", "skipped.csv", "snapshots/hashes.npy"):
        assert missing
    if not name.startswith("snapshots"):
        assert len(run["snapshots"]) == 4


def _saved(array: np.ndarray) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("name", FILES[2:])
def test_a_file_that_is_gone_costs_only_what_was_in_it(folder: Path, name: str):
    (folder / name).unlink()
    page, _, _ = page_of(folder)
    assert page["images"]["paths"]


def test_features_that_are_not_numbers(folder: Path):
    features = np.load(folder / "embeddings.npy")
    features[3] = np.nan
    features[4] = np.inf
    np.save(folder / "embeddings.npy", features)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"event": "epoch", "step": 99, "epoch": 3, "loss": NaN, "chance_loss": 2.0}\n')
    _, run, _ = page_of(folder)
    assert run["curves"]["epoch"][-1]["loss"] is None
