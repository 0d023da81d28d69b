"""The page as a file: one object of plain JSON (docs/page.md) written into one template.

Styles and scripts are inlined, so that the file opens by a double click, without a server and without a network.
Names of files and classes are untrusted text. They reach the page in two ways only: through the template, which
escapes them, and in a block of JSON in which no `<` occurs. A policy in the page's head allows no script but those
written here, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lookalike.core.files import write_atomically, write_text
from lookalike.core.record_types import Record

SINGLE_FILE = 20_000
"""Images up to which thumbnails are part of the file; above, they lie in a folder beside it."""

_TEMPLATE = Path(__file__).parent / "template"
_SCRIPTS = (
    "core.js",
    "elements.js",
    "colours.js",
    "images.js",
    "chart.js",
    "verdict.js",
    "closest.js",
    "timeline.js",
    "grid.js",
    "points.js",
    "map_view.js",
    "map_controls.js",
    "map_panel.js",
    "selection.js",
    "flow.js",
    "clusters.js",
    "clean.js",
    "curves.js",
    "compare.js",
    "card.js",
    "main.js",
)  # in this order: each uses what stands above it
_SUFFIX = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}


def write_page(data: Record, path: Path) -> None:
    """Write the page of `data` to `path`, atomically.

    Above `SINGLE_FILE` images the sheets of thumbnails are written into a folder beside the page, which is named
    like it (`report/` for `report.html`), before the page itself.

    Raises:
        MachineError: the disk is full or the place cannot be written.
    """
    if len(data["images"]["paths"]) > SINGLE_FILE:
        data = {**data, "images": {**data["images"], "sheets": _sheets_beside(data["images"]["sheets"], path)}}
    write_text(path, render(data))


def render(data: Record) -> str:
    """The page of `data` as text."""
    styles, scripts = _parts()
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(
        title=_printable(data["title"]),
        learned=data.get("learned", True),
        views=any(run.get("views") for run in data["runs"]),
        runs=[
            {"name": _printable(run["name"]), "sentences": [_printable(s) for s in _sentences(run)]}
            for run in data["runs"]
        ],
        policy=(
            f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
            "img-src data: blob: file: 'self'; base-uri 'none'; form-action 'none'"
        ),
        styles=Markup(styles),
        scripts=[Markup(script) for script in scripts],
        data=Markup(as_json(data)),
    )


def as_json(value: object) -> str:
    """JSON that can stand in a script element: ASCII without any `<`. Numbers that are not finite become null."""
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _finite(value: object) -> object:
    """`value` with null for what JSON has no number for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


def _sentences(run: Record) -> list[str]:
    return (run.get("verdict") or {}).get("sentences") or []


def _printable(text: str) -> str:
    """Text as it can be written: bytes of names that are no UTF-8 show as a replacement character."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _sheets_beside(sheets: list[Record], path: Path) -> list[Record]:
    """The sheets with what was in their data URIs written to files beside the page."""
    placed = []
    for number, sheet in enumerate(sheets):
        head, comma, body = sheet["src"].partition(";base64,")
        if comma and head.startswith("data:"):
            name = f"sheet-{number}{_SUFFIX.get(head.removeprefix('data:'), '.img')}"
            _write_bytes(path.parent / path.stem / name, base64.b64decode(body))
            sheet = {**sheet, "src": f"{quote(path.stem)}/{name}"}
        placed.append(sheet)
    return placed


def _write_bytes(path: Path, content: bytes) -> None:
    write_atomically(path, lambda file: file.write(content))


@cache
def _parts() -> tuple[str, tuple[str, ...]]:
    """The styles, and the scripts in their order."""
    return _read("page.css"), tuple(_read(name) for name in _SCRIPTS)


def _read(name: str) -> str:
    return (_TEMPLATE / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
