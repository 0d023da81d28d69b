"""Values of records as what they should be; None where they are something else."""

from __future__ import annotations


def number(value: object) -> float | None:
    """A number that is no truth value."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def table(value: object) -> dict[str, object] | None:
    """An object of JSON, or a table of TOML."""
    return value if isinstance(value, dict) else None


def text(value: object) -> str | None:
    """A text."""
    return value if isinstance(value, str) else None


def texts(value: object) -> list[str] | None:
    """A list of texts."""
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def count(value: object) -> int | None:
    """A whole number of at least 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def entries(value: object) -> list[object]:
    """What a list holds; nothing of what is no list."""
    return value if isinstance(value, list) else []


def sentences(value: object) -> list[str]:
    """The texts in a list."""
    return [item for item in entries(value) if isinstance(item, str)]


def truth(value: object) -> bool | None:
    """True or false."""
    return value if isinstance(value, bool) else None


def numbers(value: object) -> dict[str, float] | None:
    """A table of numbers."""
    return value if isinstance(value, dict) and all(isinstance(x, int | float) for x in value.values()) else None
