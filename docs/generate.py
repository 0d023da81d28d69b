"""Pages that follow from code and notebooks: options, modules, notebooks. `conf.py` writes them at each build.

python docs/generate.py DIR     the same by hand
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import lookalike
from lookalike.cli.main import command_names
from lookalike.core import registry
from lookalike.core.docs import field_docs
from lookalike.core.options import TrainOptions, flag, lasting
from lookalike.methods.find import find_method

NOTEBOOKS = Path(__file__).parent / "notebooks"
SOURCE = Path(lookalike.__file__).parent
_COMMON = "options of every method"


def write(folder: Path) -> None:
    """Write all pages into a folder; one that stands already is left alone, so that it is not built again."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"options.md": options_page(), "modules.md": modules_page()}
    pages |= {f"notebook-{path.stem}.md": notebook_page(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    for name, text in pages.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)


# -- the options of every command, from its dataclass ------------------------------------------------


def options_page() -> str:
    """Every option of every command."""
    lines = [
        "# Options of every command",
        "",
        "Made from the dataclasses that the command line is built from; `lookalike COMMAND --help` says the same.",
        "An option is a flag, a key of a TOML file (`--config FILE`, dashes or underscores) and an argument in",
        "Python, under one name. `yes/no` options are `--name` and `--no-name`. Where a recipe is chosen by the",
        "images its values stand before the defaults below; `RUN/config.toml` holds what was used. What a heading",
        "names in capitals may be given without its flag.",
    ]
    for name in command_names():
        module = importlib.import_module(f"lookalike.cli.commands.{name}")
        summary = (module.__doc__ or "").splitlines()[0]
        kinds = own_dataclasses(module)
        lines += ["", f"## {module.USAGE}", *([] if len(kinds) == 1 else ["", summary])]
        if name == "auto":
            lines += ["", f"Takes the {_COMMON} and those of [`train simclr`](#simclr)."]
        elif name == "train":
            lines += [*_methods()]
        elif not kinds:
            lines += ["", f"`lookalike {name} --help` shows its options."]
        for kind in kinds:
            if len(kinds) > 1:
                lines += ["", f"### {name} {kind.__name__.lower()}"]
            lines += ["", inspect.cleandoc(kind.__doc__ or ""), "", *options_table(kind)]
    return "\n".join(lines) + "\n"


def own_dataclasses(module: ModuleType) -> list[type[Any]]:
    """Dataclasses of options that a command defines: those whose fields have docstrings."""
    found = [kind for kind in vars(module).values() if dataclasses.is_dataclass(kind) and isinstance(kind, type)]
    return [kind for kind in found if kind.__module__ == module.__name__ and field_docs(kind)]


def _methods() -> Iterator[str]:
    yield from ("", f"### {_COMMON}", "", "*where or how fast*: may differ when a run goes on.", "")
    yield from options_table(TrainOptions)
    for method in registry.names("methods"):
        kind = find_method(method).Options
        yield from ("", f"### {method}", "", inspect.cleandoc(kind.__doc__ or ""), "")
        yield from options_table(kind, without={f.name for f in dataclasses.fields(TrainOptions)})


def options_table(kind: type[Any], without: Collection[str] = ()) -> list[str]:
    """The options of a dataclass as the rows of a table."""
    docs, hints = field_docs(kind), typing.get_type_hints(kind)
    decides = lasting(kind())
    rows = ["| option | value | default | |", "|---|---|---|---|"]
    for f in dataclasses.fields(kind):
        if f.name in without:
            continue
        where = "" if f.name in decides else " *Where or how fast.*"
        text = docs[f.name].replace("|", "\\|") + where
        rows.append(f"| `{flag(f.name)}` | {type_words(hints[f.name])} | {_default(f.default)} | {text} |")
    return rows


def type_words(hint: Any) -> str:
    """A type for people."""
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if hint is not None and typing.get_origin(hint) is tuple:
        return "words"
    if parts:
        return "words" if len(parts) > 1 else type_words(parts[0])
    return {bool: "yes/no", int: "integer", float: "number", str: "text"}.get(hint, "value")


def _default(value: Any) -> str:
    if value in (None, "", ()):
        return ""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"`{value}`"


# -- the modules, each with the first sentence of its docstring ---------------------------------------


def modules_page() -> str:
    """Every module with what it is for."""
    lines = ["# Every module", "", "What each file is for, in the first sentence of its docstring."]
    rooms: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        if not text:
            continue
        inside = path.relative_to(SOURCE)
        room = inside.parts[0] if len(inside.parts) > 1 else "at the top"
        sentence = " ".join(text.split("\n\n")[0].split())
        rooms.setdefault(room, []).append(f"| `{inside.as_posix()}` | {sentence.replace('|', chr(92) + '|')} |")
    for room, rows in rooms.items():
        lines += ["", f"## {room}", "", "| file | |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


# -- notebooks ----------------------------------------------------------------------------------------


def notebook_page(path: Path) -> str:
    """A notebook as a page: its text and its code; outputs are not kept in notebooks."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    title, rest = parts[0], parts[1:]
    where = f"*The notebook itself: `docs/notebooks/{path.name}`. It is kept without outputs; the tests run it.*"
    # links are written as from docs/notebooks, and this page stands in docs/reference
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join([title, where, *rest])) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
