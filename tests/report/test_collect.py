"""The object of a page against the run that it came from."""

import base64
import csv
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.core.errors import LookalikeError
from lookalike.core.metrics import read_metrics
from lookalike.report import timeline as timeline_module
from lookalike.report.collect import collect
from lookalike.report.packing import packed, plain, unpacked
from lookalike.runs.folder import RunFolder
from small_runs import NEAR, SAME, UNLIKE, planted, small_run

KEYS = {
    "page": {"format", "title", "written", "version", "missing", "learned", "images", "runs"},
    "images": {"paths", "label", "labels", "split", "columns", "sheets"},
    "run": {
        *("name", "method", "verdict", "snapshots", "map", "neighbours", "clusters", "duplicates", "outliers"),
        *("skipped", "curves", "evaluation", "views", "views_said", "reduced", "card"),
    },
    "card": {
        *("command", "config", "versions", "machine", "seed", "fingerprint", "images", "started", "seconds"),
        "commands",
    },
}


@pytest.fixture(scope="module")
def run(whole: RunFolder) -> RunFolder:
    """A DeepCluster run."""
    return whole


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A SimCLR run on the same images."""
    return small_run(tmp_path_factory.mktemp("runs") / "two", "simclr", seed=1)


@pytest.fixture(scope="module")
def page(run: RunFolder) -> dict:
    """What `collect` makes of the DeepCluster run, as it comes out of JSON."""
    return json.loads(json.dumps(collect([run.path], threads=1), allow_nan=False))


@pytest.fixture(scope="module")
def part(page: dict) -> dict:
    """The only run of the page."""
    return page["runs"][0]


def index(run: RunFolder) -> list[dict[str, str]]:
    """The rows of index.csv."""
    with open(run.index, newline="") as file:
        return list(csv.DictReader(file))


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1, in float64."""
    return x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True)


def test_the_object_has_the_keys_of_the_contract(page: dict, part: dict):
    assert set(page) == KEYS["page"]
    assert set(page["images"]) == KEYS["images"]
    assert set(part) == KEYS["run"]
    assert set(part["card"]) == KEYS["card"]
    assert page["format"] == 1
    assert page["title"] == "DeepCluster on digits"
    assert page["missing"] == [] and page["learned"] is True
    assert part["reduced"] == {"map": None, "duplicates": None}
    assert (part["name"], part["method"]) == ("one", "DeepCluster")


def test_images_are_those_of_the_index(page: dict, run: RunFolder):
    rows, images = index(run), page["images"]
    assert images["paths"] == [row["path"] for row in rows]
    assert [images["labels"][i] if i >= 0 else "" for i in images["label"]] == [row["label"] for row in rows]
    assert images["label"][-1] == -1
    assert images["split"] is None
    assert images["columns"] == {}


def test_other_columns_of_the_index_are_kept(tmp_path: Path, run: RunFolder):
    copy = copied(run, tmp_path)
    rows = index(run)
    with open(copy / "index.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "width"])
        writer.writeheader()
        writer.writerows({**row, "split": "test" if i < 3 else "train", "width": str(i)} for i, row in enumerate(rows))
    images = collect([copy], threads=1)["images"]
    assert images["columns"] == {"width": [str(i) for i in range(len(rows))]}
    assert images["split"][:4] == ["test", "test", "test", "train"]


def copied(run: RunFolder, folder: Path) -> Path:
    """A copy of a run folder."""
    import shutil

    return Path(shutil.copytree(run.path, folder / "copy"))


def test_the_sheets_are_those_of_the_run(page: dict, run: RunFolder):
    (sheet,) = page["images"]["sheets"]
    assert {k: sheet[k] for k in ("side", "columns", "first", "count")} == {
        "side": 32,
        "columns": 64,
        "first": 0,
        "count": 240,
    }
    assert picture(sheet).size == (2048, 128)
    assert base64.b64decode(sheet["src"].split(",")[1]) == (run.snapshots / "thumbs-0.jpg").read_bytes()


def picture(sheet: dict) -> Image.Image:
    """The picture of a data URI."""
    head, data = sheet["src"].split(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_the_nearest_are_the_nearest(part: dict, run: RunFolder, page: dict):
    found = part["neighbours"]
    assert [s["name"] for s in part["snapshots"]] == ["pixels", "untrained", "epoch 1", "epoch 2"]
    assert found["k"] == 20
    assert unpacked(found["rows"]).tolist() == list(range(240))
    label = np.array(page["images"]["label"])
    for name, frame, rate in zip(("pixels", "000000", "000003", "000006"), found["frames"], found["rate"], strict=True):
        cosine = (x := unit(np.load(run.snapshots / f"{name}.npy"))) @ x.T
        np.fill_diagonal(cosine, -2)
        near = unpacked(frame).astype(int)
        assert near.shape == (240, 20)
        value = np.take_along_axis(cosine, near, 1)
        assert np.allclose(value, np.sort(cosine, 1)[:, ::-1][:, :20], atol=1e-6)  # equal images may change places
        pairs = [label[i] == label[j] for i in range(240) for j in near[i] if label[i] >= 0 and label[j] >= 0]
        assert rate == pytest.approx(np.mean(pairs))
    counts = np.bincount(label[label >= 0])
    assert found["chance"] == pytest.approx((counts * (counts - 1)).sum() / (239 * 238))


def test_the_map_has_a_frame_a_snapshot(part: dict):
    frames = [unpacked(frame) for frame in part["map"]["frames"]]
    assert len(frames) == len(part["snapshots"])
    together = np.stack(frames)
    assert together.shape == (4, 240, 2) and together.dtype == np.float32
    assert together.min() >= 0 and together.max() <= 1
    assert np.ptp(together, axis=(0, 1)).max() > 0.99


def test_a_second_page_lays_nothing_out_again(
    part: dict, run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    copy = copied(run, tmp_path)
    monkeypatch.setattr(timeline_module, "aligned_maps", lambda *_, **__: pytest.fail("computed again"))
    assert collect([copy], threads=1)["runs"][0]["map"] == part["map"]
    monkeypatch.undo()
    (copy / "snapshots" / "map.npz").write_bytes(b"PK damaged")
    assert collect([copy], threads=1)["runs"][0]["map"] == part["map"]
    np.save(copy / "snapshots" / "pixels.npy", np.load(run.snapshots / "pixels.npy")[::-1])
    assert collect([copy], threads=1)["runs"][0]["map"] != part["map"]


def test_clusters_are_those_of_the_index(part: dict, run: RunFolder):
    found, rows = part["clusters"], index(run)
    of = unpacked(found["of"])
    assert of.tolist() == [int(row["cluster"]) for row in rows]
    assert (found["k"], found["way"]) == (10, "kmeans")
    assert [group["size"] for group in found["groups"]] == json.loads(run.clusters.read_text())["sizes"]
    x = unit(np.load(run.embeddings))
    means = unit(np.stack([x[of == c].mean(0) for c in range(10)]))
    for c, group in enumerate(found["groups"]):
        members = np.flatnonzero(of == c)
        known = Counter(rows[i]["label"] for i in members if rows[i]["label"])
        assert group["purity"] == pytest.approx(max(known.values()) / sum(known.values()))
        assert known[group["label"]] == max(known.values())
        likeness = x[members] @ means.T
        assert np.allclose((x[group["typical"]] @ means[c]), np.sort(likeness[:, c])[::-1][:24], atol=1e-6)
        margin = likeness[:, c] - np.delete(likeness, c, 1).max(1)
        assert group["border"][0] == members[margin.argmin()]
        assert len(group["border"]) == min(12, len(members))


def test_flows_are_those_between_the_clusterings(part: dict, run: RunFolder):
    (flow,) = part["clusters"]["flow"]
    assert (flow["from_epoch"], flow["to_epoch"]) == (1, 2)
    one, two = (np.load(run.snapshots / f"{name}-clusters.npy") for name in ("000003", "000006"))
    expected = Counter(zip(one.tolist(), two.tolist(), strict=True))
    assert {(a, b): n for a, b, n in flow["counts"]} == expected
    assert [n for *_, n in flow["counts"]] == sorted(expected.values(), reverse=True)


def test_without_groups_the_clusters_are_those_of_the_training(tmp_path: Path, run: RunFolder):
    copy = copied(run, tmp_path)
    rows = index(run)
    with open(copy / "index.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "cluster": ""} for row in rows)
    page = collect([copy], threads=1)
    found = page["runs"][0]["clusters"]
    assert found["way"] == "DeepCluster, as trained up to epoch 2"
    assert unpacked(found["of"]).tolist() == np.load(run.snapshots / "000006-clusters.npy").tolist()
    assert sum(group["size"] for group in found["groups"]) == 240
    assert "No groups of the images: lookalike cluster" in " ".join(page["missing"])


def test_planted_duplicates_and_the_outlier_are_found(part: dict):
    assert part["duplicates"]["exact"] == [list(SAME)]
    assert list(NEAR) in part["duplicates"]["near"]
    assert not any(set(SAME) & set(group) and len(set(SAME) & set(group)) > 1 for group in part["duplicates"]["near"])
    assert len(part["duplicates"]["near"]) <= 3
    scores = [entry["score"] for entry in part["outliers"]]
    assert part["outliers"][0]["image"] == UNLIKE
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 24


def test_skipped_files_curves_and_evaluation(part: dict, run: RunFolder):
    assert part["skipped"] == [{"path": "broken.jpg", "reason": "cut, or <b>worse</b>"}]
    events = read_metrics(run.metrics)
    for kind in ("epoch", "look", "clustering"):
        assert part["curves"][kind] == [event for event in events if event["event"] == kind]
        assert part["curves"][kind]
    assert part["evaluation"] == json.loads(run.evaluation.read_text())


def test_the_verdict_has_the_figures_of_the_run(part: dict, run: RunFolder):
    figures = {figure["name"]: figure for figure in part["verdict"]["figures"]}
    evaluation = json.loads(run.evaluation.read_text())
    looks = {event["of"]: event for event in read_metrics(run.metrics) if event["event"] == "look"}
    assert figures["linear"]["value"] == evaluation["linear"]
    assert figures["linear"]["untrained"] == evaluation["random.linear"]
    assert figures["kNN"]["pixels"] == evaluation["pixels.knn"]
    assert figures["kNN"]["chance"] == 0.1
    own = figures["own image found"]
    assert (own["value"], own["pixels"]) == (looks["network"]["retrieval"], looks["pixels"]["retrieval"])
    assert own["chance"] == 1 / 240
    assert figures["loss"]["chance"] == pytest.approx(np.log(12))
    assert figures["effective rank"]["percent"] is False
    text = " ".join(part["verdict"]["sentences"])
    assert "DeepCluster trained a convnet of" in text
    assert "on 240 images of digits (16 x 16 pixels, grey) for 2 of 2 epochs" in text
    assert f"{evaluation['linear']:.1%}" in text
    assert "1 file could not be read and was skipped." in text
    assert "The clusters are" in text


def test_the_card_says_how_to_go_on(part: dict, run: RunFolder):
    card = part["card"]
    assert card["command"] == "lookalike train ..."
    assert card["config"]["n_clusters"] == 12
    assert card["fingerprint"] == run.status().fingerprint
    assert card["images"] == 240
    lines = [command["line"] for command in card["commands"]]
    assert f"lookalike train --config {run.path / 'config.toml'}" in lines
    assert f"lookalike report {run.path}" in lines
    for verb in ("embed", "search", "export"):
        assert any(line.startswith(f"lookalike {verb} {run.path} ") for line in lines), verb


def test_fewer_images_than_there_are(run: RunFolder):
    page = collect([run.path], max_thumbs=100)
    part, images = page["runs"][0], page["images"]
    assert len(images["paths"]) == 100
    place = {path: i for i, path in enumerate(row["path"] for row in index(run))}
    shown = [place[path] for path in images["paths"]]
    assert shown == sorted(shown) and shown[-1] > 235 and shown[0] < 5
    (sheet,) = images["sheets"]
    with Image.open(run.snapshots / "thumbs-0.jpg") as whole, picture(sheet) as cut:
        for i in (0, 63, 64, 99):
            row = shown[i]
            expected = whole.crop((row % 64 * 32, row // 64 * 32, row % 64 * 32 + 32, row // 64 * 32 + 32))
            tile = cut.crop((i % 64 * 32, i // 64 * 32, i % 64 * 32 + 32, i // 64 * 32 + 32))
            assert np.abs(np.asarray(tile, float) - np.asarray(expected, float)).mean() < 6
    assert unpacked(part["neighbours"]["rows"]).tolist() == list(range(100))
    near = unpacked(part["neighbours"]["frames"][-1])
    assert near.max() < 100
    cosine = (x := unit(np.load(run.snapshots / "000006.npy")[shown])) @ x.T
    np.fill_diagonal(cosine, -2)
    assert np.allclose(cosine[np.arange(100), near[:, 0]], cosine.max(1), atol=1e-6)
    assert unpacked(part["clusters"]["of"]).tolist() == [int(index(run)[i]["cluster"]) for i in shown]
    assert sum(group["size"] for group in part["clusters"]["groups"]) == 240
    assert "100 of 240 images are shown." in page["missing"]


def test_two_runs_on_one_page(run: RunFolder, other: RunFolder, part: dict):
    page = collect([run.path, other.path], threads=1)
    assert page["title"] == "DeepCluster, SimCLR on digits"
    assert [entry["name"] for entry in page["runs"]] == ["one", "two"]
    assert page["runs"][0] == part
    assert page["runs"][1]["clusters"]["flow"] is None
    assert len(page["images"]["paths"]) == 240


def test_runs_of_the_same_name_are_told_apart(run: RunFolder, tmp_path: Path):
    (tmp_path / "one").symlink_to(run.path)
    copy = Path(copied(run, tmp_path)).rename(tmp_path / "a-one")
    (tmp_path / "deep").mkdir()
    copy = copy.rename(tmp_path / "deep" / "one")
    assert [entry["name"] for entry in collect([run.path, copy], threads=1)["runs"]] == [str(run.path), str(copy)]


def test_runs_on_different_images_are_refused(run: RunFolder, tmp_path: Path):
    images = planted(160)
    strange = small_run(tmp_path / "strange", images=images, epochs=1)
    with pytest.raises(LookalikeError, match=r"different images \(240 and 160, .* Write a page for each"):
        collect([run.path, strange.path], threads=1)


def test_mistakes_in_what_is_asked_for(run: RunFolder):
    with pytest.raises(LookalikeError, match="no run named"):
        collect([], threads=1)
    with pytest.raises(LookalikeError, match="--max-thumbs must be at least 1, got 0"):
        collect([run.path], max_thumbs=0)


def test_the_object_stays_small(page: dict):
    assert len(json.dumps(page)) < 240 * 2_000 + 100_000


def test_no_torch_is_imported():
    code = "import sys, lookalike.report.collect; print([m for m in ('torch', 'openTSNE') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_a_run_is_collected_without_torch(run: RunFolder):
    code = (
        "import sys; from pathlib import Path; sys.modules['torch'] = None\n"
        "from lookalike.report.collect import collect\n"
        "print(len(collect([Path(sys.argv[1])], threads=1)['runs'][0]['map']['frames']))"
    )
    words = [sys.executable, "-c", code, str(run.path)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == "4"


def test_packing():
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    for kind in ("uint32", "int32", "float32"):
        value = packed(array, kind)
        assert value["shape"] == [2, 3]
        assert np.array_equal(unpacked(value), array)
    assert plain({"a": [float("nan"), float("inf"), 1.5, None, "x", True, np.float32(2)], 3: (1,)}) == {
        "a": [None, None, 1.5, None, "x", True, 2.0],
        "3": [1],
    }


def test_what_is_said_of_the_views(run: RunFolder, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    assert collect([copy], threads=1)["runs"][0]["views_said"] == "Recipe digits."
    RunFolder(copy).update(views={"chosen": "crop-flip", "reason": "the others were too hard"})
    said = collect([copy], threads=1)["runs"][0]["views_said"]
    assert said == "Recipe digits, chosen for these images: the others were too hard."
    RunFolder(copy).update(views={"reason": 3})  # of another version
    assert collect([copy], threads=1)["runs"][0]["views_said"] == "Recipe digits."
    config = copy / "config.toml"
    config.write_text(config.read_text().replace('augment = "digits"', 'augment = "own"'))
    assert collect([copy], threads=1)["runs"][0]["views_said"] == "Each view as the method has it."
