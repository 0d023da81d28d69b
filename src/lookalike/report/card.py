"""How a run was made, and what can be done with it next."""

from __future__ import annotations

import shlex

from lookalike.report.before import has_learned
from lookalike.runs.reader import RunReader


def card(run: RunReader) -> dict[str, object]:
    """`card` of docs/page.md."""
    record, place = run.record, shlex.quote(str(run.path))
    begin = ("go on with it, or repeat it", f"lookalike train --config {shlex.quote(str(run.path / 'config.toml'))}")
    network = [
        ("measure it where there are labels", f"lookalike evaluate {place}"),
        ("features of any images", f"lookalike embed {place} DATA"),
        ("the nearest to a new image", f"lookalike search {place} IMAGE"),
        ("the network for other libraries", f"lookalike export {place} --to onnx"),
        ("its images in groups", f"lookalike cluster {place} --k auto"),
    ]
    again = ("this page again", f"lookalike report {place}")
    steps = [begin, *(network if has_learned(run) else ()), again]
    return {
        "command": record.command,
        "config": run.config,
        "versions": record.versions,
        "machine": record.machine,
        "seed": record.seed,
        "fingerprint": record.fingerprint or "",
        "images": run.images,
        "started": record.started,
        "seconds": record.seconds,
        "commands": [{"what": what, "line": line} for what, line in steps],
    }
