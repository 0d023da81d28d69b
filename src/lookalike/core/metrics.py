"""Reading what a run has said, without torch or rich."""

from __future__ import annotations

import json
from pathlib import Path

from lookalike.core.record_types import Event


def read_metrics(path: Path) -> list[Event]:
    """The events of a metrics.jsonl, up to a line that is none: the last one may be cut short by a kill."""
    if not path.exists():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            break
        events.append(event)
    return events
