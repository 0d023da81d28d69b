"""The table for embedding-atlas and the files of TensorBoard's projector hold what the run holds, in its order."""

import io
import json
import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lookalike
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.export import base, pictures, tensorboard
from lookalike.report.write import write_report
from lookalike.run import Run
from lookalike.runs.folder import RunFolder

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def run(photo_run: Path) -> Run:
    return lookalike.load(photo_run, "cpu")


@pytest.fixture(scope="module")
def atlas(run, tmp_path_factory) -> base.Exported:
    return run.export("atlas", tmp_path_factory.mktemp("atlas") / "a table")


@pytest.fixture(scope="module")
def table(atlas):
    return parquet.read_table(atlas.folder / "atlas.parquet")


@pytest.fixture(scope="module")
def projector(run, tmp_path_factory) -> Path:
    return run.export("tensorboard", tmp_path_factory.mktemp("tensorboard") / "files").folder


@pytest.fixture
def copy(photo_run: Path, tmp_path: Path) -> RunFolder:
    shutil.copytree(photo_run, tmp_path / "run")
    return RunFolder(tmp_path / "run")


# atlas


def test_columns_of_the_table(table, run):
    assert table["path"].to_pylist() == [row["path"] for row in run.index]
    assert table["label"].to_pylist() == run.labels
    assert table["cluster"].to_pylist() == [None] * 60  # images are not grouped
    fields = {field.name: str(field.type) for field in table.schema}
    assert fields["projection_x"] == fields["projection_y"] == "float"
    assert fields["neighbors"].replace("element", "item") == (
        "struct<ids: list<item: int64>, distances: list<item: float>>"
    )
    assert fields["image"] == "struct<bytes: binary, path: string>"


def test_neighbours_are_rows_of_the_table_by_cosine(table, run):
    x = np.asarray(run.features, np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x.T
    np.fill_diagonal(cosine, -np.inf)
    for row, near in enumerate(table["neighbors"].to_pylist()):
        assert len(near["ids"]) == len(set(near["ids"])) == 20 and row not in near["ids"]
        expected = np.sort(cosine[row])[::-1][:20]
        assert np.allclose(1 - np.array(near["distances"]), expected, atol=1e-5)
        assert np.allclose(cosine[row, near["ids"]], expected, atol=1e-5)


def test_pictures_are_those_of_the_images(table, photos):
    for row in (0, 25, 59):
        image = table["image"][row].as_py()
        shown = np.asarray(Image.open(io.BytesIO(image["bytes"])).convert("RGB"), np.float64)
        true = np.asarray(Image.open(photos / image["path"]).convert("RGB"), np.float64)
        assert shown.shape == (32, 32, 3)
        assert np.abs(shown.mean((0, 1)) - true.mean((0, 1))).max() < 6  # JPEG, scaled


def test_the_map_keeps_neighbours_and_is_that_of_the_page(table, copy):
    points = np.stack([table["projection_x"].to_numpy(), table["projection_y"].to_numpy()], 1)
    assert points.min() >= 0 and points.max() <= 1 and len(np.unique(points, axis=0)) > 50
    write_report([copy.path], threads=1)
    first = base.export(copy, "atlas", threads=1)
    assert "the map of the run's page" in first.messages[0]
    with np.load(copy.snapshots / "map.npz") as kept:
        expected = kept["maps"][-1]
    found = parquet.read_table(first.folder / "atlas.parquet")
    assert np.array_equal(found["projection_x"].to_numpy(), expected[:, 0])


def test_the_command_is_one_line_that_a_shell_reads(atlas):
    import shlex

    words = shlex.split(atlas.snippet)
    assert words[:2] == ["embedding-atlas", str(atlas.folder / "atlas.parquet")]
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert given == {
        "--x": "projection_x",
        "--y": "projection_y",
        "--neighbors": "neighbors",
        "--image": "image",
    }


def test_fewer_images_are_evenly_spaced_and_neighbours_are_among_them(photo_run, tmp_path, capsys):
    words = ["export", str(photo_run), "--to=atlas", "--images=15", "--out", str(tmp_path / "out"), "--threads=1"]
    assert main(words) == 0
    assert "15 of 60 images, evenly spaced; --images takes more" in capsys.readouterr().out
    found = parquet.read_table(tmp_path / "out" / "atlas.parquet")
    every = lookalike.load(photo_run).index
    assert found["path"].to_pylist() == [every[i]["path"] for i in range(0, 60, 4)]
    assert all(max(near["ids"]) < 15 and len(near["ids"]) == 14 for near in found["neighbors"].to_pylist())


def test_an_absent_pyarrow_gives_its_install_line(photo_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LookalikeError, match=r"needs pyarrow.*pip install 'lookalike\[arrow\]'"):
        lookalike.load(photo_run).export("atlas", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# pictures


def test_images_without_a_thumbnail_are_read_from_the_data(copy, table):
    thumbs = json.loads((copy.snapshots / "thumbs.json").read_text())
    thumbs["rows"] = thumbs["rows"][:40]
    thumbs["sheets"][0]["count"] = 40
    (copy.snapshots / "thumbs.json").write_text(json.dumps(thumbs))
    found = list(pictures.Pictures(base.Source(copy, copy.path)))
    assert len(found) == 60
    kept = [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in table["image"].to_pylist()]
    for row in (3, 45, 59):
        shown = np.asarray(found[row], np.float64)
        apart = [np.abs(shown - np.asarray(picture, np.float64)).mean() for picture in kept]
        assert int(np.argmin(apart)) == row


def test_where_neither_is_left_pictures_are_missing_and_it_is_said(copy):
    shutil.rmtree(copy.snapshots)
    place = tomllib.loads(copy.config.read_text())["data"]
    for file in (copy.config, copy.path / "run.json"):  # a run also knows where its images were when it was trained
        file.write_text(file.read_text().replace(place, "/nowhere"))
    found = base.export(copy, "atlas", threads=1)
    assert any("60 images have no picture: the run kept none" in sentence for sentence in found.messages)
    assert parquet.read_table(found.folder / "atlas.parquet")["image"].to_pylist() == [None] * 60


# TensorBoard


def test_features_and_names_for_the_projector(projector, run):
    x = np.loadtxt(projector / "tensors.tsv", delimiter="\t", dtype=np.float32)
    assert np.allclose(x, run.features, rtol=1e-5, atol=0)
    lines = (projector / "metadata.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["path", "label"]
    assert [line.split("\t") for line in lines[1:]] == [[row["path"], row["label"]] for row in run.index]
    config = (projector / "projector_config.pbtxt").read_text()
    assert "tensor_shape: 60\n  tensor_shape: 128" in config and config.count("single_image_dim: 32") == 2
    for name in ("tensors.tsv", "metadata.tsv", "sprite.png"):
        assert f'_path: "{name}"' in config and (projector / name).is_file()


def test_the_sheet_has_as_many_pictures_across_as_down(projector, photos, run):
    sheet = Image.open(projector / "sprite.png")
    assert sheet.size == (8 * 32, 8 * 32)  # 60 pictures
    for row in (0, 9, 59):
        left, top = row % 8 * 32, row // 8 * 32
        shown = np.asarray(sheet.crop((left, top, left + 32, top + 32)), np.float64).mean((0, 1))
        true = np.asarray(Image.open(photos / run.index[row]["path"]).convert("RGB"), np.float64).mean((0, 1))
        assert np.abs(shown - true).max() < 6


def test_many_pictures_are_made_smaller(copy):
    few = pictures.Pictures(base.Source(copy, copy.path))
    sheet, side = pictures.sprite(few, 100)
    assert (side, sheet.size) == (12, (96, 96))
    assert tensorboard.WIDEST == 8192


def test_names_cannot_break_the_table(copy):
    text = copy.index.read_text()
    first = lookalike.load(copy).index[0]["path"]
    copy.index.write_text(text.replace(first, '"a\tb\nc\u2028d"', 1))
    folder = base.export(copy, "tensorboard", threads=1).folder
    lines = (folder / "metadata.tsv").read_text().splitlines()
    assert len(lines) == 61 and lines[1].split("\t") == ["a b c d", "blue"]


def test_a_single_column_has_no_head(copy):
    rows = "".join(f"{row['path']},,,\n" for row in lookalike.load(copy).index)
    copy.index.write_text("path,split,label,cluster\n" + rows)
    folder = base.export(copy, "tensorboard", threads=1).folder
    assert len((folder / "metadata.tsv").read_text().splitlines()) == 60


@pytest.mark.parametrize("to", ["atlas", "tensorboard"])
def test_runs_without_features_or_with_bad_ones(to, copy):
    x = np.load(copy.embeddings)
    x[3, 5] = np.nan
    np.save(copy.embeddings, x)
    with pytest.raises(LookalikeError, match="are not finite"):
        base.export(copy, to)
    np.save(copy.embeddings, x[:7])
    with pytest.raises(LookalikeError, match=r"they do not belong together. Write both with: lookalike embed"):
        base.export(copy, to)
    np.save(copy.embeddings, np.nan_to_num(x))
    copy.index.rename(copy.path / "away")
    with pytest.raises(LookalikeError, match=r"cannot read .*index.csv: it is not there.*lookalike embed"):
        base.export(copy, to)
    (copy.path / "away").rename(copy.index)
    copy.embeddings.unlink()
    with pytest.raises(LookalikeError, match=r"embeddings.npy is not there; let the training finish.*lookalike embed"):
        base.export(copy, to)
    assert list((copy.path / "export").iterdir()) == []
