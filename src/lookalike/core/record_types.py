"""Records as they are read from files: what is in them has not been checked yet."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
"""An object of JSON, or a table of TOML."""
Event = Record
"""A line of metrics.jsonl; `event` says which kind."""
