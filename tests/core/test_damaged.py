"""A file of a run that is damaged is told with a way out, and the way leads out."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

import lookalike
from lookalike.cli.main import main
from lookalike.core.errors import LookalikeError
from lookalike.core.files import read_json
from lookalike.core.metrics import read_metrics
from lookalike.runs.clusters import ClusterRecord
from lookalike.runs.folder import RunFolder
from lookalike.runs.reader import RunReader
from lookalike.runs.records import RunRecord, read_status

DAMAGE = {
    "empty": b"",
    "zeros": bytes(100),
    "binary": bytes(range(256)),
    "half": None,
    "another kind": b"[1, 2]",
}


def spoil(path: Path, damage: str) -> None:
    data = path.read_bytes()
    half = data[: len(data) // 2].rstrip(b"\n") + b" ="  # at the end of a line, half a table of TOML is whole
    path.write_bytes(half if damage == "half" else DAMAGE[damage])


@pytest.fixture
def run(photo_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photo_run, tmp_path / "a run"))


def commands(run: Path, photos: Path) -> list[list[str]]:
    """Those that read both records of a run; others go on without."""
    place = str(run)
    return [
        ["runs", "show", place],
        ["embed", place],
        ["evaluate", place],
        ["train", "--config", str(run / "config.toml")],
        ["finetune", place, str(photos)],
    ]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    ("name", "remedy"), [("run.json", "Remove it: lookalike train --config"), ("config.toml", "Mend it in an editor")]
)
def test_every_command_says_what_can_be_done(
    run: Path, photos: Path, name: str, remedy: str, damage: str, capsys: pytest.CaptureFixture
):
    spoil(run / name, damage)
    files = sorted(run.rglob("*"))
    for words in commands(run, photos):
        capsys.readouterr()
        assert main(words) == 2, words
        said = capsys.readouterr().err
        assert name in said and remedy in said and "Traceback" not in said, (words, said)
    assert sorted(run.rglob("*")) == files
    assert main(["runs", "ls", str(run.parent)]) == 1
    assert remedy in capsys.readouterr().err
    with pytest.raises(LookalikeError, match=remedy):
        repr(lookalike.load(run))
    patient = RunReader(run)  # what the page is made of: shows what is there, and says the same of the rest
    assert patient.record == RunRecord() or not patient.config
    assert any(remedy in sentence for sentence in patient.missing)


def test_a_lost_record_is_written_anew(run: Path, capsys: pytest.CaptureFixture):
    before = json.loads((run / "run.json").read_text())
    features = (run / "embeddings.npy").read_bytes()
    spoil(run / "run.json", "half")
    assert main(["embed", str(run)]) == 2
    line = capsys.readouterr().err.split("Remove it: ")[1].split(" writes it anew")[0]
    (run / "run.json").unlink()
    assert main([*shlex.split(line)[1:], "--threads=1", "--no-report"]) == 0
    after = json.loads((run / "run.json").read_text())
    assert all(after[key] == before[key] for key in ("status", "fingerprint", "images", "shape", "data"))
    assert (run / "embeddings.npy").read_bytes() == features


def test_the_weights_of_a_run_without_settings_can_be_gone_on_with(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    spoil(run / "config.toml", "empty")
    assert main(["embed", str(run)]) == 2
    said = capsys.readouterr().err
    assert "the run was made by: lookalike train simclr" in said
    weights = shlex.split(said.split("--init ")[1].strip().rstrip("."))[0]
    words = ["train", "simclr", str(photos), "--epochs=0", "--no-report", "--threads=1", "--out", str(tmp_path / "b")]
    assert main([*words, "--init", weights]) == 0


@pytest.mark.parametrize("key", ["seconds", "started", "command", "machine", "versions", "shape"])
def test_what_a_record_lacks_is_not_known(run: Path, key: str, capsys: pytest.CaptureFixture):
    record = json.loads((run / "run.json").read_text())
    del record[key]
    (run / "run.json").write_text(json.dumps(record))
    assert main(["runs", "show", str(run)]) == 0
    assert main(["embed", str(run), "--threads=1"]) == 0
    assert "embed" in RunFolder(run).status().seconds


@pytest.mark.parametrize(
    ("key", "value"),
    [("seconds", "long"), ("images", "many"), ("status", None), ("shape", [3]), ("data", "photos"), ("machine", 3)],
)
def test_a_value_of_the_wrong_kind_is_named(run: Path, key: str, value: object):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, key: value}))
    with pytest.raises(LookalikeError, match=rf"run\.json: {key} is of the wrong kind\. Remove it"):
        read_status(run / "run.json")
    patient = RunReader(run)
    assert (
        getattr(patient.record, key) == getattr(RunRecord(), key)
        and f"of the wrong kind: {key}. Remove it" in patient.missing[0]
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [('epochs = "many"', "epochs must be an integer"), ("stem = 3", "stem must be auto or small or large")],
)
def test_a_setting_of_the_wrong_type_is_named(run: Path, line: str, words: str, capsys: pytest.CaptureFixture):
    key = line.split(" ")[0]
    lines = [old for old in (run / "config.toml").read_text().splitlines() if not old.startswith(f"{key} =")]
    (run / "config.toml").write_text("\n".join([*lines, line]))
    assert main(["embed", str(run)]) == 2
    assert words in capsys.readouterr().err
    patient = RunReader(run)
    assert key not in patient.config and words in patient.missing[0]
    assert main(["runs", "ls", str(run.parent)]) == 0


@pytest.mark.parametrize("damage", DAMAGE)
def test_other_files_of_a_run(run: Path, damage: str, capsys: pytest.CaptureFixture):
    names = ("evaluation.json", "clusters.json", "snapshots/index.json")
    for name in names:
        (run / name).write_text('{"of": "a run"}')
        spoil(run / name, damage)
        with pytest.raises(LookalikeError, match=r"Remove (it: lookalike \w+ .* writes it anew|the folder .*)\."):
            read_json(run / name)
    assert main(["runs", "show", str(run)]) == 2
    assert f"lookalike evaluate {shlex.quote(str(run))} writes it anew" in capsys.readouterr().err
    patient = RunReader(run)
    assert (patient.evaluation, patient.clusters, patient.frames) == (None, ClusterRecord(), [])
    assert len(patient.missing) == 3


@pytest.mark.parametrize("line", ["3", '{"step": 1}', "\0\0\0", '{"event": "epo'])
def test_events_up_to_a_damaged_line(run: Path, line: str):
    whole = read_metrics(run / "metrics.jsonl")
    with open(run / "metrics.jsonl", "a") as file:
        file.write(line)
    assert read_metrics(run / "metrics.jsonl") == whole
    assert main(["runs", "ls", str(run.parent)]) == 0


def test_events_that_are_no_text(run: Path):
    (run / "metrics.jsonl").write_bytes(bytes(range(256)))
    assert read_metrics(run / "metrics.jsonl") == []
