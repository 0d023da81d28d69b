"""The study of the verdict in a tiny form: a run is made once, kept, and judged."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_run_is_made_once_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.syspath_prepend(str(ROOT / "studies"))
    study = importlib.import_module("verdict")
    for _ in range(2):
        study.train(tmp_path, {}, "stripes-simclr-short", tiny=True)
    (record,) = study.read(tmp_path)  # the second time nothing was left to do
    assert set(record["knn"]) == set(record["error"]) == {"pixels", "histograms", "untrained", "network"}
    assert record["difference"]["network"] == 0 and record["asked"] > 100
    assert study.told(record) in study.TOLD
    study.judge(tmp_path)
    said = capsys.readouterr().out
    assert "called healthy: " in said and "called failing: " in said
    assert "chosen: 1 runs" in said and "judged: 0 runs" in said
    cases = list(study.cases())
    assert len({case.name for case in cases}) == len(cases) > 100
    halves = {half: {case.data for case in cases if case.half == half} for half in ("chosen", "judged")}
    assert halves["chosen"] and halves["judged"] and not halves["chosen"] & halves["judged"]
