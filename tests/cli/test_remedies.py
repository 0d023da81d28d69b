"""What a message recommends exists: options of the command that prints it, and commands with their options."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lookalike
from lookalike.cli.main import command_names
from lookalike.core import registry
from lookalike.core.load_options import LOAD_OPTIONS
from lookalike.core.options import TrainOptions, flag
from lookalike.methods.find import find_method

ROOT = Path(lookalike.__file__).parent
LOADING = ("embed", "predict", "views", "evaluate", "finetune", "label", "cluster", "search", "train", "auto")
"""Commands that read images as `data.loading.load` does."""
SHARED = ("data", "inputs", "core/machine.py", "core/files.py", "core/places.py", "core/braces.py", "core/tables.py")
"""Code whose messages every one of them may print."""
SAID_OF = {"--image-size": "Train on", "--out": "where the command has it"}
"""Options that not every command has, and the words that say so."""
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_PIP = re.compile(r"pip install[^;`]*")  # whose flags are its own


def texts(path: Path) -> Iterator[str]:
    """The strings of a module without its docstrings; what is filled in is an X."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield _PIP.sub("", text)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | inner:
            yield _PIP.sub("", node.value)


def flags_of(command: str) -> set[str]:
    """The flags of a command."""
    if command in ("train", "auto"):
        kinds = [find_method(name).Options for name in registry.names("methods")]
        kinds = [TrainOptions] if command == "auto" else kinds
    else:
        module = importlib.import_module(f"lookalike.cli.commands.{command}")
        kinds = [
            kind
            for kind in vars(module).values()
            if dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
        ]
    names = {f.name for kind in kinds for f in dataclasses.fields(kind)}
    return {flag(name) for name in names} | {"--no-" + flag(name)[2:] for name in names} | {"--config", "--help"}


def modules(places: tuple[str, ...]) -> Iterator[Path]:
    for place in places:
        yield from [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))


@pytest.mark.parametrize("command", LOADING)
def test_every_command_that_reads_images_has_what_loading_recommends(command: str):
    there = flags_of(command)
    assert {flag(name) for name in LOAD_OPTIONS} <= there
    asked = {(found, text) for path in modules(SHARED) for text in texts(path) for found in _FLAG.findall(text)}
    assert {"--skip-bad", "--download", "--cache", "--no-store", "--store-limit"} <= {found for found, _ in asked}
    there |= {"--device"}  # which is only spoken of where somebody named one
    lacking = {(found, text) for found, text in asked if found not in there and SAID_OF.get(found, "\0") not in text}
    assert not lacking


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_a_message_names_exist_with_their_options(path: Path):
    for text in texts(path):
        for command, rest in re.findall(r"lookalike ([a-z]+)((?: [^`;:.\n]*)?)", text):
            if command in command_names() and command != "runs":
                assert set(_FLAG.findall(rest)) <= flags_of(command), text


@pytest.mark.parametrize("command", sorted(set(command_names()) - {"auto", "runs", "train", "demo"}))
def test_a_command_names_no_option_that_it_lacks(command: str):
    for text in texts(ROOT / "cli" / "commands" / f"{command}.py"):
        own = re.sub(r"lookalike [a-z]+[^`;\n]*", "", text)
        assert set(_FLAG.findall(own)) <= flags_of(command) | {"--to", "--k", "--n"}, text


def test_what_is_recommended_of_labels_can_be_done():
    for text in texts(ROOT / "api" / "labelling.py"):
        assert set(_FLAG.findall(text)) <= flags_of("select")
