"""Values of records as what they should be; None where they are something else."""

from __future__ import annotations

from collections.abc import Mapping


def number(value: object) -> float | None:
    """A number that is no truth value."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def table(value: object) -> Mapping[str, object] | None:
    """An object of JSON, or a table of TOML."""
    return value if isinstance(value, dict) else None
