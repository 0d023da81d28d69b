"""What benchmarks share: workers are processes that take turns, or do the same within one process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WORK = """
import os
from common import serve

rounds = iter(range(100))

def work():
    print("what a library prints is no answer")
    return {"process": os.getpid(), "round": next(rounds)}

def main(words):
    serve(work, about={"words": words}, warm=2)

if __name__ == "__main__":
    import sys
    main(sys.argv[1:])
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark_of: Callable[[str], Any]) -> Path:
    """A file of a worker, which finds the module that benchmarks share."""
    common = benchmark_of("common")
    monkeypatch.setattr(common, "SOURCE", os.pathsep.join([str(common.SOURCE), str(common.HERE)]))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a_worker.py").write_text(WORK)
    return tmp_path / "a_worker.py"


def test_workers_are_processes_that_take_turns(benchmark_of: Callable[[str], Any], script: Path):
    common = benchmark_of("common")
    with common.worker([sys.executable, str(script), "a"]) as a, common.worker([sys.executable, str(script)]) as b:
        assert (a.about, b.about) == ({"words": ["a"]}, {"words": []})
        answers = common.in_turns({"a": a, "b": b}, 3)
    assert {len({turn["process"] for turn in turns} | {os.getpid()}) for turns in answers.values()} == {2}
    assert [[turn["round"] for turn in turns] for turns in answers.values()] == [[2, 3, 4]] * 2
    assert all(turn["seconds"] > 0 and turn["cpu"] >= 0 for turns in answers.values() for turn in turns)
    assert a.process.returncode is not None and b.process.returncode is not None


def test_together_they_do_the_same_in_this_process(benchmark_of: Callable[[str], Any], script: Path):
    common = benchmark_of("common")
    a = common.worker([sys.executable, str(script), "a"], together=True)
    assert a.about == {"words": ["a"]}
    (turns,) = common.in_turns({"a": a}, 2).values()
    assert [(turn["process"], turn["round"]) for turn in turns] == [(os.getpid(), 2), (os.getpid(), 3)]
    a.close()


@pytest.mark.parametrize("together", [False, True])
def test_a_worker_that_lacks_a_library_is_missing(
    benchmark_of: Callable[[str], Any], script: Path, together: bool, monkeypatch: pytest.MonkeyPatch
):
    common = benchmark_of("common")
    script.write_text(WORK.replace("import os\n", "import no_such_library\n"))
    monkeypatch.delitem(sys.modules, "a_worker", raising=False)
    with pytest.raises(common.Missing, match="No module named 'no_such_library'"):
        common.worker([sys.executable, str(script)], together)
