"""Every measured figure stands once, in docs/results/NAME.json. This fills the tables of docs/results.md from there.

    python docs/figures.py                                   after a file of docs/results/ has changed
    python studies/NAME.py ... | python docs/figures.py take NAME --table TITLE --commit COMMIT

`take` reads a table in Markdown, as the studies print it, and replaces a table of NAME.json. Of several tables on stdin
it takes the first, or the first from the line on that has the words of `--after`. Benchmarks do both with `--write`.
This module needs the standard library alone, as benchmarks import it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from itertools import dropwhile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
DATA = DOCS / "results"
PAGE = DOCS / "results.md"

KEYS = ("command", "machine", "commit", "date", "seeds", "seconds")
"""How a file's figures were made; null where it does not apply or was not noted."""

_BLOCK = re.compile(r"<!-- results ([\w-]+) -->\n.*?<!-- end of \1 -->\n", re.DOTALL)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def read(name: str) -> dict[str, Any]:
    """A file of figures.

    Args:
        name: of the file, without its suffix.

    Returns:
        `KEYS`, `tables` (each with `title`, `columns`, `rows`) and `notes`, sentences under the tables.
    """
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return data


def write(name: str, data: dict[str, Any], page: Path | None = None) -> Path:
    """Write a file of figures, a row a line, and fill the page.

    Args:
        name: of the file, without its suffix.
        data: as `read` returns it; what is missing of `KEYS` and `notes` is null and empty.
        page: that has a place for it; docs/results.md where None.

    Raises:
        SystemExit: the page has no place for these figures.
    """
    page = page or PAGE
    if f"<!-- results {name} -->" not in page.read_text(encoding="utf-8"):
        raise SystemExit(
            f"docs/{page.name} has no place for {name}: add <!-- results {name} --> and <!-- end of {name} -->"
        )
    file = DATA / f"{name}.json"
    file.write_text(_dumped(data), encoding="utf-8")
    fill(page)
    return file


def _dumped(data: dict[str, Any]) -> str:
    """JSON that people can edit: a row of a table is a line."""

    def dumped(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [f" {dumped(key)}: {dumped(data.get(key))}," for key in KEYS]
    tables = []
    for table in data["tables"]:
        rows = ",\n".join(f"   {dumped(row)}" for row in table["rows"])
        head = f'  {{"title": {dumped(table.get("title", ""))},\n   "columns": {dumped(list(table["columns"]))},'
        note = f',\n   "note": {dumped(table["note"])}' if table.get("note") else ""
        tables.append(f'{head}\n   "rows": [\n{rows}\n   ]{note}}}')
    lines.append(' "tables": [\n' + ",\n".join(tables) + "\n ],")
    notes = ",\n".join(f"  {dumped(note)}" for note in data.get("notes", []))
    lines.append(f' "notes": [\n{notes}\n ]' if notes else ' "notes": []')
    return "{\n" + "\n".join(lines) + "\n}\n"


# -- the page ------------------------------------------------------------------------------------------


def fill(page: Path = PAGE) -> None:
    """Put the tables of all files of figures into their places on a page."""
    text = page.read_text(encoding="utf-8")
    page.write_text(filled(text), encoding="utf-8")


def filled(text: str) -> str:
    """A page with its tables as the files have them; a place without a file says that nothing was measured yet."""

    def block(match: re.Match[str]) -> str:
        name = match[1]
        there = (DATA / f"{name}.json").exists()
        inside = markdown(read(name)) if there else "Not measured yet."
        return f"<!-- results {name} -->\n\n{inside}\n\n<!-- end of {name} -->\n"

    return _BLOCK.sub(block, text)


def places(text: str) -> list[str]:
    """Names of the figures that a page has a place for."""
    return [match[1] for match in _BLOCK.finditer(text)]


def markdown(data: dict[str, Any]) -> str:
    """The tables of a file, how they were made, and the notes."""
    parts = []
    for table in data["tables"]:
        if table.get("title"):
            parts.append(f"**{table['title']}**")
        lines = [table["columns"], ["---"] * len(table["columns"]), *table["rows"]]
        parts.append("\n".join("| " + " | ".join(cells) + " |" for cells in lines))
        if table.get("note"):
            parts.append(table["note"])
    made = _provenance(data)
    return "\n\n".join([*parts, *([made] if made else []), *data["notes"]])


def _provenance(data: dict[str, Any]) -> str:
    command = data.get("command")
    commands = [command] if isinstance(command, str) else command or []
    parts = [", ".join(f"`{line}`" for line in commands)] if commands else []
    parts += [str(data[key]) for key in ("date", "machine") if data.get(key)]
    parts += [f"{key} {data[key]}" for key in ("commit", "seeds", "seconds") if data.get(key)]
    return "; ".join(parts) + "." if parts else ""


# -- a figure ------------------------------------------------------------------------------------------


def cell(place: str) -> str:
    """The text of one cell.

    Args:
        place: `FILE > ROW > COLUMN`, or `FILE > TITLE > ROW > COLUMN` where the file has several tables. A row is
            named by its first cells, joined by " | " where the first alone is not enough.

    Raises:
        KeyError: no cell, or more than one, is meant; the text says which part of the place is wrong.
    """
    name, *title, row, column = (part.strip() for part in place.split(">"))
    tables = [table for table in read(name)["tables"] if not title or table.get("title", "") == title[0]]
    if len(tables) != 1:
        raise KeyError(f"{place}: {len(tables)} tables of docs/results/{name}.json are meant")
    key = row.split(" | ")
    rows = [cells for cells in tables[0]["rows"] if [c.replace("*", "") for c in cells[: len(key)]] == key]
    if len(rows) != 1 or tables[0]["columns"].count(column) != 1:
        raise KeyError(f"{place}: {len(rows)} rows, {tables[0]['columns'].count(column)} columns are meant")
    text: str = rows[0][tables[0]["columns"].index(column)]
    return text.replace("*", "")


def number(place: str, index: int = 0) -> float:
    """A number of a cell: "1,234 (1,200..1,300)" has three."""
    return float(_NUMBER.findall(cell(place))[index].replace(",", ""))


# -- tables that studies print -------------------------------------------------------------------------


def parsed(text: str, after: str = "") -> dict[str, Any]:
    """The first table of a text in Markdown from the line on that has `after` in it, as `columns` and `rows`."""
    lines: list[list[str]] = []
    for line in dropwhile(lambda line: after not in line, text.splitlines()):
        if line.startswith("|"):
            lines.append([part.strip() for part in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
        elif lines:
            break
    if len(lines) < 3:
        raise SystemExit("there is no table in Markdown on stdin")
    width = len(lines[0])
    return {"columns": lines[0], "rows": [(row + [""] * width)[:width] for row in lines[2:]]}


def take(name: str, title: str, text: str, made: dict[str, Any], after: str = "") -> None:
    """Replace or add a table of a file by one in Markdown, and what is known anew of how it was made."""
    file = DATA / f"{name}.json"
    data = read(name) if file.exists() else {"tables": [], "notes": []}
    table = {"title": title, **parsed(text, after)}
    at = [i for i, old in enumerate(data["tables"]) if old.get("title", "") == title]
    if at:
        data["tables"][at[0]] = table
    else:
        data["tables"].append(table)
    write(name, {**data, **made})


def main(words: list[str] | None = None) -> None:
    """Fill the page, or take a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["fill", "take"], default="fill")
    parser.add_argument("name", nargs="?", help="of docs/results/NAME.json")
    parser.add_argument("--table", default="", help="title of the table, where the file has several")
    parser.add_argument("--after", default="", help="words of a line: the table is the first from there on")
    for key in KEYS:
        parser.add_argument(f"--{key}", help="as it is to stand beside the table")
    arguments = parser.parse_args(words)
    if arguments.what == "fill":
        fill()
        return
    if not arguments.name:
        parser.error("take wants the NAME of docs/results/NAME.json")
    made = {key: getattr(arguments, key) for key in KEYS if getattr(arguments, key) is not None}
    take(arguments.name, arguments.table, sys.stdin.read(), made, arguments.after)


if __name__ == "__main__":
    main()
