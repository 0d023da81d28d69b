"""Commands of the documentation: run in a folder of small images, or parsed where they cannot be run there."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lookalike.cli.commands.demo import Demo
from lookalike.cli.main import command_names, main
from lookalike.demo import beside

ROOT = Path(__file__).parents[1]
SHORT = {"--width": "4", "--batch-size": "20", "--precision": "float32", "--n-clusters": "6"}
"""What a training is given where its line does not say otherwise."""

_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^    ((?:lookalike|python|torchrun|make) .*)$", re.MULTILINE)
_PLACE = re.compile(r"(?:.*:)?[A-Z]{2,}(?:/.*)?")  # DIR, mnist:DIR, RUN/config.toml


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page, in order: language, what is in it."""
    return [(language.strip(), block) for language, block in _BLOCK.findall(text)]


def commands(block: str) -> list[list[str]]:
    """The lines of a block of shell, as words; prompts, comments and `.venv/bin/` are taken off."""
    lines = (line.removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines())
    split = [part for line in lines for part in line.split(" && ")]
    found = [shlex.split(line, comments=True) for line in split]
    return [[words[0].removeprefix(".venv/bin/"), *words[1:]] for words in found if words]


def indented_commands(text: str) -> list[list[str]]:
    """Commands that a page shows as indented lines."""
    return [shlex.split(line, comments=True) for line in _INDENTED.findall(text)]


def follow(words: list[str], run: Path) -> str:
    """Run a command, or check what of it can be checked; says which.

    Args:
        words: of one line.
        run: a run folder that stands for those of the demonstration, which takes a minute.
    """
    program, rest = words[0], words[1:]
    if program == "lookalike":
        return _lookalike(rest, run)
    if program == "pytest":
        # named, as an installation from before this option does not know the plugin
        words = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "lookalike.contract.plugin",
            *rest,
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
        return "run"
    assert check(words), f"neither run nor parsed: {shlex.join(words)}"
    return "parsed"


def check(words: list[str]) -> bool:
    """Whether a line is one that would work, as far as can be told without running it; False where nothing is known."""
    program, rest = words[0], words[1:]
    if program == "lookalike":
        parsed(rest)
    elif program == "torchrun":
        parsed(rest[rest.index("lookalike") + 1 :])
    elif program == "pytest":
        assert rest[:2] == ["--pyargs", "lookalike.contract"], rest
    elif program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), rest[0]
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert rest[0] == "install" and rest[1:] in [["."], *([f"lookalike[{extra}]"] for extra in extras)], rest
    elif program == "python":
        source = (ROOT / rest[0]).read_text()
        for word in rest:
            assert not word.startswith("--") or word in source, f"{rest[0]} has no {word}"
    else:
        return program in ("git", "cd") and len(rest) <= 3
    return True


def parsed(words: list[str]) -> None:
    """All words but one that is not there are understood: mistakes are reported together, and it is the only one."""
    wrong = "--not-there"
    words = [re.sub(r"^[SDK]$", "2", word) for word in words]
    told = _said_by([*words, wrong])
    assert "1 mistake" in told and f"unknown option {wrong}" in told, f"lookalike {shlex.join(words)}: {told}"


def _said_by(words: list[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda *parts, **_: said.append(" ".join(map(str, parts))))
        assert main(words) != 0
    return "\n".join(said)


def _lookalike(words: list[str], run: Path) -> str:
    if any(_PLACE.fullmatch(word) and ".py:" not in word for word in words):  # a class in a file is no place
        parsed(words)
        return "parsed"
    if words[0] == "demo":
        parsed(words)
        for folder in (Demo.out, *beside(Demo.out)):
            shutil.copytree(run, folder)
        return "parsed"
    if "--matplotlib" in words and importlib.util.find_spec("matplotlib") is None:  # an extra; tests/cli/test_report.py
        parsed(words)
        return "parsed"
    words = shortened(words)
    try:
        status = main(words)
    except SystemExit as stop:  # --help
        status = int(stop.code or 0)
    assert status == 0, f"lookalike {shlex.join(words)}"
    return "run"


def shortened(words: list[str]) -> list[str]:
    """A training cut to an epoch of a tiny network; into a folder that is not there yet, as the page means it.

    A configuration file says how long its run is, and is left alone.
    """
    trains = words[0] == "train" or words[0] not in command_names()
    if not trains or "--help" in words or "--config" in words:
        return words
    method, data = words[1:3] if words[0] == "train" else ("simclr", words[0])
    if "--out" not in words and "--explain" not in words:  # which makes no run folder
        shutil.rmtree(Path("runs") / f"{method}-{Path(data).name.partition('.')[0]}", ignore_errors=True)
    short = SHORT if "deepcluster" in method else {k: v for k, v in SHORT.items() if k != "--n-clusters"}
    added = [f"{flag}={value}" for flag, value in short.items() if flag not in words]
    added += ["--no-report"] if words[0] == "train" else []  # everything at once writes its page
    return [*words, *added, "--epochs=1"]
