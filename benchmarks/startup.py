"""Start-up: whole processes, from their start to their end.

    python benchmarks/startup.py [--rounds 7] [--only "import torch"] [--tiny] [--write]

`lookalike --help`, `import lookalike`, and `lookalike train simclr digits` until its first step is done (there the
process ends), beside a Python that does nothing and one that imports torch. All take turns; files are in the
system's cache, as everybody goes once unasked.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

from common import Table, spread

FIRST_STEP = """
import os, sys
from lookalike.cli.main import main
from lookalike.engine.loop import Trainer

step = Trainer._step
def first(trainer, *said):
    step(trainer, *said)
    os._exit(0)
Trainer._step = first
sys.exit(main(sys.argv[1:]) or 1)
"""

REACH = {"lookalike --help": 0.3, "import lookalike": 1.0, "first step on digits": 5.0}
"""Seconds."""


def commands(folder: str) -> dict[str, list[str]]:
    """What is started, by its name; a run goes into that folder."""
    python = sys.executable
    train = ["train", "simclr", "digits", "--out", f"{folder}/run"]
    return {
        "python -c pass": [python, "-c", "pass"],
        "import torch": [python, "-c", "import torch"],
        "lookalike --help": [python, "-m", "lookalike", "--help"],
        "import lookalike": [python, "-c", "import lookalike"],
        "first step on digits": [python, "-c", FIRST_STEP, *train],
    }


def seconds(command: list[str]) -> float:
    """Of a whole process.

    Raises:
        SystemExit: it failed.
    """
    begun = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    took = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:80]} ended with {done.returncode}: {done.stderr}")
    return took


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", choices=commands(""), default=list(commands("")), metavar="NAME")
    parser.add_argument("--tiny", action="store_true", help="one round")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    args = parser.parse_args(words)
    table = Table("startup", ("process", "seconds: median (range)", "to reach"))
    found: dict[str, list[float]] = {}
    for turn in range(0 if args.tiny else -1, 1 if args.tiny else args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            todo = [(name, command) for name, command in commands(folder).items() if name in args.only]
            for name, command in todo[turn % len(todo) :] + todo[: turn % len(todo)]:
                took = seconds(command)
                if turn >= 0:
                    found.setdefault(name, []).append(took)
    for name in found:
        told = ""
        if name in REACH and not args.tiny:
            told = f"{REACH[name]:g}: {'reached' if statistics.median(found[name]) <= REACH[name] else 'missed'}"
        table.row(name, spread(found[name], 2), told)
    table.data = found
    print(f"kept in {table.save(args.write)}")


if __name__ == "__main__":
    main()
