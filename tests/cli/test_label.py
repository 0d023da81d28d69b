"""`lookalike select` and `lookalike label`: the loop from images without labels to labels for all of them."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lookalike.cli.main import main
from lookalike.runs.folder import RunFolder


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> RunFolder:
    """A copy of a short run on digits, to be written to."""
    return RunFolder(Path(shutil.copytree(digits_run, tmp_path / "run")))


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def filled_in(run: RunFolder, file: Path, out: Path | None = None) -> Path:
    """A person at work: the column label gets the name of the digit."""
    truth = {row["path"]: row["label"] for row in table(run.index)}
    lines = [f"{row['path']},{truth[row['path']]}" for row in table(file)]
    out = out or file
    out.write_text("path,label\n" + "\n".join(lines) + "\n")
    return out


def command(name: str, run: RunFolder, *words: str) -> int:
    return main([name, str(run.path), *words, "--threads=1"])


def few(run: RunFolder, n: int) -> None:
    """Leave the first n images of a run."""
    np.save(run.embeddings, np.load(run.embeddings)[:n])
    run.index.write_text("\n".join(run.index.read_text().splitlines()[: n + 1]) + "\n")


def test_the_loop_goes_round(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert command("select", run, "-n", "30") == 0
    said = capsys.readouterr().out
    asked = run.labels / "to_label.csv"
    assert f"lookalike label {run.path} {asked}" in said
    first = table(asked)
    assert len(first) == 30 and {row["label"] for row in first} == {""}
    assert command("label", run, str(filled_in(run, asked))) == 0
    said = capsys.readouterr().out
    assert "30 labels spread to 1,797 images: " in said and "against the labels that the other images have: " in said
    found = table(run.labels / "predicted.csv")
    before = accuracy(run, found)
    assert before > 0.6

    second = tmp_path / "second.csv"
    assert command("select", run, "-n", "60", "--labels", str(asked), "--out", str(second)) == 0
    assert f"lookalike label {run.path} {asked} {second}" in capsys.readouterr().out
    assert not {row["path"] for row in table(second)} & {row["path"] for row in first}
    filled_in(run, second)
    assert command("label", run, str(asked), str(second), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["given"] == 90 and sum(told["counts"].values()) == 1797
    after = accuracy(run, table(run.labels / "predicted.csv"))
    assert after > before
    assert told["agreement"] == pytest.approx(after, abs=0.02)


def accuracy(run: RunFolder, found: list[dict[str, str]]) -> float:
    pairs = [(a["label"], b["label"]) for a, b in zip(found, table(run.index), strict=True) if a["source"] != "given"]
    return sum(a == b for a, b in pairs) / len(pairs)


def test_what_is_written(run: RunFolder):
    index = table(run.index)
    few_labels = [index[i] for i in range(40)]
    file = run.path / "labels.csv"
    file.write_text("path,label\n" + "".join(f"{row['path']},{row['label']}\n" for row in few_labels))
    assert command("label", run, str(file)) == 0
    found = table(run.labels / "predicted.csv")
    assert [row["path"] for row in found] == [row["path"] for row in index]
    assert list(found[0]) == ["path", "label", "confidence", "source"]
    assert [row["source"] for row in found[:41]] == ["given"] * 40 + ["predicted"]
    assert [row["label"] for row in found[:40]] == [row["label"] for row in few_labels]
    assert {row["confidence"] for row in found[:40]} == {"1.0000"}
    assert all(0 < float(row["confidence"]) <= 1 for row in found)
    after = table(run.index)  # which the page colours by
    assert list(after[0]) == ["path", "split", "label", "cluster", "predicted", "confidence"]
    assert [row["predicted"] for row in after] == [row["label"] for row in found]
    assert [{key: row[key] for key in index[0]} for row in after] == index
    written = run.index.read_bytes()
    assert command("label", run, str(file)) == 0
    assert run.index.read_bytes() == written


def test_the_sure_half_is_more_often_right(run: RunFolder):
    index = table(run.index)
    file = run.path / "labels.csv"
    file.write_text("path,label\n" + "".join(f"{row['path']},{row['label']}\n" for row in index[:30]))
    assert command("label", run, str(file)) == 0
    found = table(run.labels / "predicted.csv")[30:]
    right = np.array([a["label"] == b["label"] for a, b in zip(found, index[30:], strict=True)])
    confidence = np.array([float(row["confidence"]) for row in found])
    sure = confidence >= np.median(confidence)
    assert right[sure].mean() > right[~sure].mean() + 0.1


def test_with_a_file_named_the_run_is_left_as_it_is(run: RunFolder, tmp_path: Path):
    before = run.index.read_bytes()
    file = tmp_path / "labels.csv"
    file.write_text("path,label\n" + "".join(f"{row['path']},{row['label']}\n" for row in table(run.index)[:20]))
    assert command("label", run, str(file), "--out", str(tmp_path / "all.csv")) == 0
    assert len(table(tmp_path / "all.csv")) == 1797
    assert run.index.read_bytes() == before and not run.labels.exists()


def test_labels_of_the_data_are_not_looked_at(run: RunFolder, tmp_path: Path):
    index = table(run.index)
    file = tmp_path / "labels.csv"
    file.write_text("path,label\n" + "".join(f"{row['path']},kind {row['label']}\n" for row in index[:20]))
    assert command("label", run, str(file), "--out", str(tmp_path / "one.csv")) == 0
    blank = [",".join([row["path"], row["split"], "", ""]) for row in index]
    run.index.write_text("path,split,label,cluster\n" + "\n".join(blank) + "\n")
    assert command("label", run, str(file), "--out", str(tmp_path / "two.csv")) == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_unknown_paths_are_passed_over_and_said(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture):
    index = table(run.index)
    lines = [f"{row['path']},{row['label']}" for row in index[:20]] + ["gone.png,3", f"{index[0]['path']},0"]
    file = tmp_path / "labels.csv"
    file.write_text("path,label\n" + "\n".join(lines) + "\n")
    assert command("label", run, str(file)) == 0
    noted = capsys.readouterr().err
    assert f"1 labelled path passed over, not an image of {run.path}: 'gone.png'" in noted
    assert "1 line said again what was said before" in noted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label\n{0},cat\n{1},cat\n", "one class only: all 2 labels say 'cat'"),
        ("path,label\n{0},cat\n{1},dog\n{0},dog\n", "calls '{0}' both 'cat' and 'dog'; the first is "),
        ("path,label\nx.png,cat\ny.png,dog\n", "none of the 2 labelled paths is an image of "),
        ("path,label\n{0},\n{1},\n", "no line has a label yet"),
        ("name,class\n1,2\n", "must have the columns path and label, and lines below them; it has name, class"),
    ],
)
def test_labels_that_do_not_do(run: RunFolder, tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture):
    paths = [row["path"] for row in table(run.index)[:2]]
    file = tmp_path / "labels.csv"
    file.write_text(text.format(*paths))
    before = run.index.read_bytes()
    assert command("label", run, str(file)) == 2
    said = capsys.readouterr().err
    assert words.format(*paths) in said and "Traceback" not in said
    assert run.index.read_bytes() == before and not run.labels.exists()


def test_labels_that_were_filled_in_are_not_written_over(run: RunFolder, capsys: pytest.CaptureFixture):
    assert command("select", run, "-n", "3") == 0
    asked = run.labels / "to_label.csv"
    assert command("select", run, "-n", "4") == 0  # nobody has filled it in
    filled_in(run, asked)
    text = asked.read_bytes()
    assert command("select", run, "-n", "5") == 2
    said = capsys.readouterr().err
    assert f"{asked} holds 4 labels that would be lost" in said and f"--labels {asked}" in said
    assert asked.read_bytes() == text


def test_what_select_refuses(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture):
    few(run, 40)
    everything = filled_in(run, run.index, tmp_path / "all.csv")
    assert command("select", run, "--labels", str(everything)) == 2
    assert "every image of" in capsys.readouterr().err
    assert command("select", run, "-n", "0") == 2
    assert "--n must be at least 1, got 0" in capsys.readouterr().err
    assert command("select", run, "-n", "50") == 0
    assert "40 images without a label, fewer than the 50 asked for" in capsys.readouterr().err
    run.embeddings.unlink()
    assert command("select", run) == 2
    assert f"write the features first: lookalike embed {run.path}" in capsys.readouterr().err


@pytest.mark.parametrize("value", [np.nan, 0.5])
@pytest.mark.parametrize("name", ["label", "select"])
def test_features_that_tell_nothing_are_refused(
    run: RunFolder, tmp_path: Path, name: str, value: float, capsys: pytest.CaptureFixture
):
    file = tmp_path / "labels.csv"
    file.write_text("path,label\n" + "".join(f"{row['path']},{row['label']}\n" for row in table(run.index)[:20]))
    np.save(run.embeddings, np.full_like(np.load(run.embeddings), value))
    assert command(name, run, *([str(file)] if name == "label" else [])) == 2
    assert "not finite" in (said := capsys.readouterr().err) or "the same features for all images" in said
    assert not run.labels.exists()


def test_words_that_are_missing(capsys: pytest.CaptureFixture):
    assert main(["label"]) == 2
    assert "no run named: lookalike label RUN labels.csv" in capsys.readouterr().err
    assert main(["label", "runs/a"]) == 2
    assert "no file of labels named" in capsys.readouterr().err
    assert main(["select"]) == 2
    assert "no run named: lookalike select RUN -n 50" in capsys.readouterr().err
    assert main(["select", "nowhere", "--labels"]) == 2
    assert "--labels needs a value" in capsys.readouterr().err


def test_groups_and_labels_share_the_index(run: RunFolder, tmp_path: Path):
    file = tmp_path / "labels.csv"
    file.write_text("path,label\n" + "".join(f"{row['path']},{row['label']}\n" for row in table(run.index)[:20]))
    assert command("label", run, str(file)) == 0
    predicted = [row["predicted"] for row in table(run.index)]
    assert command("cluster", run, "--k=3") == 0
    after = table(run.index)
    assert [row["predicted"] for row in after] == predicted
    assert {row["cluster"] for row in after} == {"0", "1", "2"}
