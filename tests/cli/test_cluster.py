"""`lookalike cluster`: groups in index.csv and clusters.json, as many as asked for or as proposed."""

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lookalike.cli.main import main
from lookalike.engine import clustering
from lookalike.evaluate.n_clusters_selection import score_k
from lookalike.runs.folder import RunFolder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny finished run on digits."""
    out = tmp_path_factory.mktemp("finished") / "run"
    words = ["train", "simclr", "digits", "--out", str(out), "--epochs=2", "--width=4", "--threads=1"]
    assert main(words) == 0
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    """A copy of it, to be written to."""
    return RunFolder(Path(shutil.copytree(finished, tmp_path / "run")))


def index(run: RunFolder) -> list[dict[str, str]]:
    with open(run.index, newline="") as file:
        return list(csv.DictReader(file))


def cluster(run: RunFolder, *words: str) -> int:
    return main(["cluster", str(run.path), "--threads=1", *words])


@pytest.mark.parametrize("way", ["spectral", "kmeans"])
def test_ten_groups_fill_the_column_and_nothing_else_changes(run: RunFolder, way: str, capsys: pytest.CaptureFixture):
    before = index(run)
    assert {row["cluster"] for row in before} == {""}
    assert cluster(run, "--k", "10", "--way", way) == 0
    after = index(run)
    assert {row["cluster"] for row in after} == {str(c) for c in range(10)}
    assert [{**row, "cluster": ""} for row in after] == before
    assert list(after[0]) == ["path", "split", "label", "cluster"]
    shown = capsys.readouterr().out
    assert f"10 groups ({way}) of " in shown
    assert "against the labels of 1,797 images: matched accuracy" in shown
    assert str(run.index) in shown


def test_what_is_recorded_is_what_is_printed_as_json(run: RunFolder, capsys: pytest.CaptureFixture):
    assert cluster(run, "--k", "10", "--json", "--seed=3") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(run.clusters.read_text())
    assert (printed["k"], printed["way"], printed["seed"], printed["labelled"]) == (10, "kmeans", 3, 1797)
    counted = [sum(row["cluster"] == str(c) for row in index(run)) for c in range(10)]
    assert printed["sizes"] == counted
    assert sum(counted) == 1797
    assert 0.1 < printed["accuracy"] <= printed["purity"] <= 1
    assert 0 < printed["nmi"] < 1
    assert "scores" not in printed


def test_the_same_command_again_gives_the_same_groups(run: RunFolder):
    few(run, 100, 5)
    assert cluster(run, "--k", "5") == 0
    first = run.index.read_bytes(), run.clusters.read_bytes()
    assert cluster(run, "--k", "7") == 0
    assert run.index.read_bytes() != first[0]
    assert cluster(run, "--k", "5") == 0
    assert (run.index.read_bytes(), run.clusters.read_bytes()) == first


@pytest.fixture
def one_pair_of_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proposals need not be good here, and so may be quick."""
    monkeypatch.setattr(clustering, "score_k", partial(score_k, pairs=1))


def few(run: RunFolder, n: int, k: int) -> None:
    """Leave n images of a run, with features in k clear groups."""
    noise = np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32)
    np.save(run.embeddings, 4 * np.eye(16, dtype=np.float32)[np.arange(n) % k] + 0.5 * noise)
    lines = run.index.read_text().splitlines()[: n + 1]
    run.index.write_text("\n".join(lines) + "\n")


@pytest.mark.usefixtures("one_pair_of_halves")
def test_a_number_of_groups_is_proposed_with_what_speaks_for_it(run: RunFolder, capsys: pytest.CaptureFixture):
    few(run, 100, 4)
    assert cluster(run, "--k", "auto", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["k"] == 4
    assert [score["k"] for score in found["scores"]] == [2, 3, 4, 5]
    for score in found["scores"]:
        assert score["total"] == pytest.approx(score["stability"] + score["silhouette"])
    assert max(found["scores"], key=lambda score: score["total"])["k"] == 4
    assert {row["cluster"] for row in index(run)} == {"0", "1", "2", "3"}


@pytest.mark.usefixtures("one_pair_of_halves")
def test_proposing_is_the_default_and_its_table_marks_the_proposal(run: RunFolder, capsys: pytest.CaptureFixture):
    few(run, 60, 3)
    assert cluster(run, "--way=kmeans") == 0
    shown = capsys.readouterr().out
    assert "proposed: 3 groups" in shown
    (marked,) = (line.split() for line in shown.splitlines() if line.rstrip().endswith("<"))
    assert marked[0] == "3"


def test_without_labels_there_is_nothing_to_agree_with(run: RunFolder, capsys: pytest.CaptureFixture):
    few(run, 100, 3)
    rows = [line.split(",") for line in run.index.read_text().splitlines()]
    run.index.write_text(
        "\n".join(",".join([path, split, "" if i else label, c]) for i, (path, split, label, c) in enumerate(rows))
        + "\n"
    )
    assert cluster(run, "--k=3", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"way", "seed", "k", "sizes"}


def test_names_with_commas_and_strange_bytes_stay_as_they_are(run: RunFolder):
    few(run, 40, 2)
    lines = run.index.read_bytes().splitlines()
    lines[1] = b'"a, b\xff.png",,0,'
    run.index.write_bytes(b"\r\n".join(lines) + b"\r\n")
    assert cluster(run, "--k=2") == 0
    assert run.index.read_bytes().splitlines()[1][:-1] == lines[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--k", "1"], "--k must be auto or an integer of at least 2, got '1'"),
        (["--k", "0"], "--k must be auto or an integer of at least 2, got '0'"),
        (["--k", "-3"], "--k must be auto or an integer of at least 2, got '-3'"),
        (["--k", "x"], "--k must be auto or an integer of at least 2, got 'x'"),
        (["--k", "2.5"], "--k must be auto or an integer of at least 2, got '2.5'"),
        (["--k", "5000"], "--k must be from 2 to the number of images, 1,797; got 5000"),
        (["--way", "spectrum"], "did you mean 'spectral'?"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    run: RunFolder, words: list[str], message: str, capsys: pytest.CaptureFixture
):
    before = run.index.read_bytes()
    assert cluster(run, *words) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert run.index.read_bytes() == before
    assert not run.clusters.exists()


def test_a_run_has_to_be_named_and_to_be_there(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["cluster"]) == 2
    assert "no run named: lookalike cluster RUN --k K" in capsys.readouterr().err
    assert main(["cluster", str(tmp_path / "nowhere"), "--k=3"]) == 2
    assert "is no run folder: there is no such folder" in capsys.readouterr().err


def refused(run: RunFolder, capsys: pytest.CaptureFixture, *words: str) -> str:
    """The message of a refusal that left the index as it was."""
    before = run.index.read_bytes() if run.index.exists() else None
    capsys.readouterr()
    assert cluster(run, *words) == 2
    assert (run.index.read_bytes() if run.index.exists() else None) == before
    assert not run.clusters.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize("k", ["3", "auto"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(run: RunFolder, value: float, k: str, capsys: pytest.CaptureFixture):
    features = np.load(run.embeddings)
    features[17, 3] = value
    np.save(run.embeddings, features)
    assert "holds features that are not finite; train that run again" in refused(run, capsys, "--k", k)


@pytest.mark.parametrize("k", ["3", "auto"])
def test_features_that_are_all_the_same_are_refused(run: RunFolder, k: str, capsys: pytest.CaptureFixture):
    np.save(run.embeddings, np.full_like(np.load(run.embeddings), 0.5))
    assert "holds the same features for all images" in refused(run, capsys, "--k", k)


def test_missing_features_are_asked_for(run: RunFolder, capsys: pytest.CaptureFixture):
    run.embeddings.unlink()
    assert f"write the features first: lookalike embed {run.path}" in refused(run, capsys, "--k=3")


def test_an_index_that_is_missing_is_asked_for(run: RunFolder, capsys: pytest.CaptureFixture):
    run.index.unlink()
    assert f"cannot read {run.index}: it is not there" in refused(run, capsys, "--k=3")


def test_features_and_index_of_different_lengths_are_refused(run: RunFolder, capsys: pytest.CaptureFixture):
    np.save(run.embeddings, np.load(run.embeddings)[:-1])
    assert "they do not belong together. Write both with: lookalike embed" in refused(run, capsys, "--k=3")


def test_a_damaged_file_of_features_is_named(run: RunFolder, capsys: pytest.CaptureFixture):
    run.embeddings.write_bytes(run.embeddings.read_bytes()[:1000])
    assert f"cannot read {run.embeddings}" in refused(run, capsys, "--k=3")


def test_groups_go_when_features_are_written_anew(run: RunFolder):
    assert cluster(run, "--k=4") == 0
    assert main(["embed", str(run.path), "digits", "--out", str(run.path), "--threads=1"]) == 0
    assert {row["cluster"] for row in index(run)} == {""}
