"""What every benchmark shares: turns, peers in environments of their own, and the table that is printed and kept.

Whoever is timed, this project too, is a *worker*: a process of its own that gets ready, says so, and then does one
round whenever it is told to. So memory settings and thread pools of one are never those of another, rounds can take
turns in a changing order, and a peer can live in an environment of its own. This module needs the standard library
alone, as it is imported in those environments:

    from common import serve
    serve(lambda: work())                  # in the worker; or serve(work, about={"accuracy": 0.9})

    workers = {"ours": Worker(here("part.py", "ours")), "peer": Worker(here("part.py", "peer", python=python))}
    seconds = in_turns(workers, rounds=5)  # in the benchmark

`worker(command, together=True)` does the same work within the benchmark's own process: what --tiny does, as it asks
whether all works, and most of the time of a small work is that of starting a process.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent / "runs" / "benchmarks" / "environments"
SOURCE = HERE.parent / "src"
DOCS = HERE.parent / "docs"


class Missing(Exception):
    """A peer cannot be had here; the text says why and becomes its row."""


# In the worker


def serve(work: Callable[[], Any], about: Mapping[str, Any] | None = None, warm: int = 1) -> None:
    """Do `work` once for every line on stdin and answer with its seconds; first `warm` times unasked.

    What `work` returns, where it is a dict of plain values, goes along with the answer. Within the process of the
    benchmark it returns at once, and the benchmark asks for the rounds.
    """
    if Together.starting is not None:
        Together.starting.take(work, about or {}, warm)
        return
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    for _ in range(warm):
        work()
    print(json.dumps(dict(about or {})), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(timed(work)), file=answers, flush=True)


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    """The answer of a round: {"seconds", "cpu", and what the work returned}."""
    begun, used = time.perf_counter(), time.process_time()
    found = work()
    answer = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - used}
    return answer | (found if isinstance(found, dict) else {})


# In the benchmark


def here(script: str, *arguments: str, python: str | Path = sys.executable) -> list[str]:
    """The command of a worker that is a file beside this one."""
    return [str(python), str(HERE / script), *arguments]


def surroundings() -> dict[str, str]:
    """Variables for a worker: those of this process, and the way to this project, which a peer does not have."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))}


class Worker:
    """A process that waits for its turns.

    Args:
        command: what starts it; it calls `serve`.

    Raises:
        Missing: it ended before it was ready; its last words are the reason.
    """

    def __init__(self, command: Sequence[str]) -> None:
        # A file, as a pipe that nobody reads would stop the worker once it is full.
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the worker, which close() ends
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            env=surroundings(),
        )
        try:
            self.about: dict[str, Any] = self._answer()
        except Missing:
            self.close()
            raise

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self._words.seek(0)
            words = self._words.read().strip().splitlines()
            raise Missing(words[-1] if words else f"ended with status {self.process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def round(self) -> dict[str, Any]:
        """One round: {"seconds", "cpu", and what the work returned}."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process and wait for it."""
        self.process.kill()
        self.process.communicate()
        self._words.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Together:
    """A worker within this process, which has the same command: its file's `main` is called with the words of it.

    Raises:
        Missing: a library is not installed here. Any other fault is raised as it is.
    """

    starting: Together | None = None
    """The one whose `main` is running, which `serve` gives the work to."""

    def __init__(self, command: Sequence[str]) -> None:
        _, script, *words = command
        self.about: dict[str, Any] = {}
        Together.starting = self
        try:
            importlib.import_module(Path(script).stem).main(words)
        except ImportError as error:
            raise Missing(str(error)) from error
        finally:
            Together.starting = None

    def take(self, work: Callable[[], Any], about: Mapping[str, Any], warm: int) -> None:
        """What `serve` was called with."""
        for _ in range(warm):
            work()
        self._work, self.about = work, dict(about)

    def round(self) -> dict[str, Any]:
        """One round, as of a process."""
        return timed(self._work)

    def close(self) -> None:
        """There is nothing to end."""


def worker(command: Sequence[str], together: bool = False) -> Worker | Together:
    """A process that waits for its turns, or the same within this process.

    Raises:
        Missing: it cannot work here; the text says why.
    """
    return Together(command) if together else Worker(command)


def in_turns(
    workers: Mapping[str, Worker | Together], rounds: int = 5, pause: float = 0.0
) -> dict[str, list[dict[str, Any]]]:
    """`rounds` rounds of every worker, one at a time, each round beginning with another one."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    names = list(workers)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(pause)
            answers[name].append(workers[name].round())
    return answers


def environment(name: str, packages: Sequence[str], alone: Sequence[str] = ()) -> Path:
    """The Python of an environment with a peer's packages, made when it is first asked for.

    Args:
        name: of its folder.
        packages: requirements for pip; torch is the one of constraints.txt, so that no other build is fetched.
        alone: requirements to be installed without what they ask for.

    Raises:
        Missing: pip could not install them.
    """
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    wanted = json.dumps([*packages, "|", *alone])
    if (folder / "installed").is_file() and (folder / "installed").read_text() == wanted:
        return python
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [[sys.executable, "-m", "venv", "--clear", str(folder)]]
    if packages:
        steps.append([*pip, "-c", str(HERE.parent / "constraints.txt"), *packages])
    if alone:
        steps.append([*pip, "--no-deps", *alone])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise Missing(f"{name} cannot be installed: {words[-1] if words else done.returncode}")
    (folder / "installed").write_text(wanted)
    return python


@dataclass
class Table:
    """Rows as they come, then the same as JSON and, where it is asked for, in docs/results/ and docs/results.md."""

    name: str
    """Of the benchmark: runs/benchmarks/NAME.json, docs/results/NAME.json, and its place in docs/results.md."""
    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    """What the rows were made from, for the JSON."""
    notes: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.perf_counter)

    def row(self, *cells: object) -> None:
        """Add a row and print it at once."""
        if not self.rows:
            print(self._line(self.columns) + "\n" + self._line(["---"] * len(self.columns)), flush=True)
        cells += ("",) * (len(self.columns) - len(cells))
        self.rows.append([str(cell) for cell in cells])
        print(self._line(self.rows[-1]), flush=True)

    def note(self, text: str) -> None:
        """Add a sentence under the table."""
        self.notes.append(text)
        print(text, flush=True)

    @staticmethod
    def _line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def figures(self) -> dict[str, Any]:
        """The table as docs/figures.py keeps it, with how it was made."""
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        seeds = self.data.get("seeds")
        return {
            "command": f"python benchmarks/{command}",
            "machine": machine_words(),
            "commit": commit(),
            "date": time.strftime("%Y-%m-%d"),
            "seeds": ", ".join(str(row["seed"]) for row in seeds) if seeds else None,
            "seconds": f"{time.perf_counter() - self.begun:.0f} in all",
            "tables": [{"title": "", "columns": list(self.columns), "rows": self.rows}],
            "notes": self.notes,
        }

    def save(self, write: bool = False) -> Path:
        """Keep the JSON, and with `write` put the table into docs/results.md in place of the one before."""
        file = ENVIRONMENTS.parent / f"{self.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {"benchmark": self.name, "command": sys.argv, "commit": commit(), "machine": machine()}
        content |= {"versions": versions(), "columns": list(self.columns), "rows": self.rows, "data": self.data}
        file.write_text(json.dumps(content | {"notes": self.notes}, indent=1, default=str))
        if write:
            sys.path.append(str(DOCS))  # no package, and this module is imported where there is no docs/
            import figures

            figures.write(self.name, self.figures())
        return file


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median and range: "1,234 (1,200..1,300)"."""
    low, middle, high = (f"{v:,.{digits}f}" for v in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}..{high})"


def commit() -> str:
    """The commit that is measured, with a + where files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True, check=False).stdout

    return (git("rev-parse", "--short", "HEAD").strip() or "unknown") + ("+" if git("diff", "HEAD", "--stat") else "")


def machine() -> dict[str, Any]:
    """The machine as a run describes it."""
    from lookalike.core import machine as this

    return this.description()


def machine_words() -> str:
    """The processor, its cores and what of it matters for speed, and the versions of what computes."""
    found, of = machine(), versions()
    bf16 = "with" if found["bf16"] else "without"
    gpu = f", {found['gpu']}" if found["gpu"] else ""
    return f"{found['cores']} cores of {found['processor']} {bf16} bfloat16{gpu}, torch {of['torch']}"


def versions() -> dict[str, str]:
    """Of Python and of the libraries that compute."""
    from lookalike.core import machine as this

    return this.versions()
