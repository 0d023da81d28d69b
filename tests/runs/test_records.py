"""Records of a run folder, read without PyTorch."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lookalike.core.errors import LookalikeError
from lookalike.runs import RunFolder, RunReader, features_and_index, index_of
from lookalike.runs.records import RunRecord, read_rows


def test_the_package_needs_no_torch():
    code = (
        "import sys\n"
        "import lookalike.runs.folder, lookalike.runs.reader, lookalike.runs.records, lookalike.runs.evaluation\n"
        "import lookalike.runs.clusters, lookalike.runs.looks\n"
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"False\n"


def test_rows_have_all_columns_and_nothing_beside_them(tmp_path: Path):
    (tmp_path / "index.csv").write_text('path,label\n"a, b.png",cat\nc.png\nd.png,dog,more\n')
    assert read_rows(tmp_path / "index.csv") == [
        {"path": "a, b.png", "label": "cat"},
        {"path": "c.png", "label": ""},
        {"path": "d.png", "label": "dog"},
    ]


def test_names_that_are_no_utf8_come_back(tmp_path: Path):
    (tmp_path / "index.csv").write_bytes(b"path,label\ncaf\xe9.png,\n")
    assert read_rows(tmp_path / "index.csv")[0]["path"].encode(errors="surrogateescape") == b"caf\xe9.png"


@pytest.mark.parametrize(("name", "content"), [("index.csv", b'path\n"' + b"x" * 200_000), ("index.csv", None)])
def test_a_table_that_cannot_be_read_is_named_with_the_way_out(tmp_path: Path, name: str, content: bytes | None):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(
        LookalikeError, match=r"cannot read .*index\.csv: .*Remove it: lookalike embed .* writes it anew"
    ):
        read_rows(tmp_path / name)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A folder with four images and their features."""
    np.save(tmp_path / "embeddings.npy", np.eye(4, dtype=np.float32))
    (tmp_path / "index.csv").write_text("path,split,label,cluster\n" + "".join(f"{i}.png,,,\n" for i in range(4)))
    return RunFolder(tmp_path)


@pytest.mark.parametrize("mapped", [False, True])
def test_features_come_with_their_rows(run: RunFolder, mapped: bool):
    features, rows = features_and_index(run, mapped=mapped)
    assert isinstance(features, np.memmap) is mapped
    assert np.array_equal(features, np.eye(4))
    assert [row["path"] for row in rows] == [f"{i}.png" for i in range(4)] == [row["path"] for row in index_of(run)]


@pytest.mark.parametrize("rows", [0, 3, 5])
def test_features_of_other_images_are_refused(run: RunFolder, rows: int):
    np.save(run.embeddings, np.ones((rows, 4), np.float32))
    with pytest.raises(LookalikeError, match=rf"shape \[{rows}, 4\] and index.csv has 4 rows: they do not belong"):
        features_and_index(run)


def test_values_of_the_wrong_kind_are_left_out_of_a_record():
    found = RunRecord.from_json(
        {"status": "finished", "images": "many", "notes": "one", "views": None, "ended_at": 7, "strange": 1}
    )
    assert found == RunRecord(status="finished", ended_at=7)
    assert found.has_ended and not RunRecord(status="started").has_ended


RUNNING = {
    "status": "trained",
    "later": {"a": 1},  # of a version to come
    "seconds": {"load": 0.5},
    "images": 4,
    "seed": "seven",  # not what it should be, and only shown
    "ended_at": None,
    "budget": {"behind": {"page": 1.0}, "evaluated": 300},
    "init": {"said": "weights.pt", "sha256": "abc"},
    "scale": [0.0, 2.5],
}


def test_a_record_is_written_back_as_it_was_with_what_has_changed():
    record = RunRecord.from_json(RUNNING)
    assert list(record.to_json().items()) == list(RUNNING.items())
    changed = dataclasses.replace(record, images=5, used=2.0)
    assert list(changed.to_json().items()) == [*{**RUNNING, "images": 5}.items(), ("used", 2.0)]
    updated = record.updated({"ended_at": 7, "unheard": True})
    assert list(updated.to_json().items()) == [*{**RUNNING, "ended_at": 7}.items(), ("unheard", True)]
    assert (updated.ended_at, updated.seed, updated.seconds) == (7, 0, {"load": 0.5})


def test_tables_of_a_record_are_asked_by_name():
    record = RunRecord.from_json({**RUNNING, "shape": [3, 32, 32]})
    assert (record.rows_to_evaluate, record.init_hash, record.channels) == (300, "abc", 3)
    assert (RunRecord().rows_to_evaluate, RunRecord().init_hash, RunRecord().channels) == (None, None, None)


def test_a_record_that_begins_has_all_that_every_run_has():
    record = RunRecord(status="started", shape=[1, 8, 8]).to_json()
    assert list(record) == [
        *("status", "command", "folder", "data", "started", "seed", "fingerprint", "images", "training_images"),
        *("shape", "skipped", "passed_over", "notes", "versions", "machine", "seconds"),
    ]
    assert record["status"] == "started" and record["skipped"] == 0 and record["seconds"] == {}


def test_seconds_of_phases_are_added_to_those_of_others(run: RunFolder):
    run.record.write_text(json.dumps(RUNNING))
    run.update("finished", {"train": 1.2345}, extra=[1])
    first = {"images": 4, "seconds": {"load": 0.5, "train": 1.23}}
    first |= {"started": "", "command": "", "machine": {}, "versions": {}}
    written = {**first, **RUNNING, "seconds": first["seconds"], "status": "finished", "extra": [1]}
    assert list(json.loads(run.record.read_text()).items()) == list(written.items())


def test_a_reader_says_what_it_leaves_out(run: RunFolder):
    run.config.write_text('method = "simclr"\n')
    run.record.write_text('{"status": "finished", "images": -1}')
    reader = RunReader(run.path)
    assert reader.record == RunRecord(status="finished")
    assert "of the wrong kind: images" in reader.missing[0]
    assert reader.images == 4
