"""Everything that needs a GPU, as one command that goes on where it stopped.

    python benchmarks/gpu.py [--data DIR] [--out DIR] [--limit 9m] [--parts NAME ...] [--write]
    python benchmarks/gpu.py --tiny --device cpu      # the same code in seconds, for a test: its figures mean nothing

Each part is a process with a time limit of its own, so that one which fails, hangs or runs out of memory leaves the
others; all together end within --limit. What was measured is kept in OUT/gpu.json, and the same command measures what
is left (a training goes on from its checkpoint). The table says what was measured and what was not, and why. Where less
memory is free than a size needs, the largest that fits is taken and the row says so. --data is CIFAR-10: cifar10:DIR,
or a folder with train/ and test/ or val/ and class folders below; the parts that train to an accuracy need it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch

import common
from gpu_parts import PARTS, At, NotMeasured, Part
from lookalike.core import machine
from lookalike.core.durations import duration, parse_duration
from lookalike.core.files import write_json

OUT = common.ENVIRONMENTS.parent / "gpu"


def measured_here(part: Part, at: At) -> dict[str, Any]:
    """What a part finds, or why it finds nothing."""
    try:
        return {"status": "measured", "remark": "", **part.work(at)}
    except NotMeasured as error:
        return {"status": "not measured", "remark": str(error)}
    except torch.OutOfMemoryError as error:
        return {"status": "failed", "remark": f"the memory is full: {str(error).splitlines()[0]}"}
    except Exception as error:  # the others go on
        traceback.print_exc()
        return {
            "status": "failed",
            "remark": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        }


def measured_apart(part: Part, args: argparse.Namespace, limit: float) -> dict[str, Any]:
    """The same in a process of its own that is ended after `limit` seconds."""
    answer = Path(args.out) / f"{part.name}.answer.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--part", part.name, "--out", args.out, "--device", args.device]
    for name in ("data", "memory"):
        command += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    with (Path(args.out) / f"{part.name}.log").open("w") as log:
        try:
            done = subprocess.run(command + ["--tiny"] * args.tiny, stdout=log, stderr=log, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            words = f"not done after {duration(limit)}; the same command goes on"
            return {"status": "not measured", "remark": words}
    if not answer.exists():
        return {"status": "failed", "remark": f"it ended with status {done.returncode}; {log.name} says more"}
    found: dict[str, Any] = json.loads(answer.read_text())
    answer.unlink()
    return found


def measure(args: argparse.Namespace, card: str, state: Path) -> dict[str, dict[str, Any]]:
    """Measure the parts that are not known of this card yet, and keep each at once."""
    ends = time.monotonic() + parse_duration(args.limit)
    every = json.loads(state.read_text(encoding="utf-8")) if state.exists() else {}
    found: dict[str, dict[str, Any]] = every.setdefault(card, {})
    for part in PARTS:
        if (args.parts and part.name not in args.parts) or found.get(part.name, {}).get("status") == "measured":
            continue
        left = ends - time.monotonic()
        if left < (1 if args.tiny else part.least):
            words = f"no time was left of {args.limit}; the same command goes on"
            found[part.name] = {"status": "not measured", "remark": words}
            continue
        print(f"{part.what} ...", file=sys.stderr, flush=True)
        begun = time.monotonic()
        found[part.name] = measured_apart(part, args, min(part.limit, left))
        found[part.name] |= {"took_s": round(time.monotonic() - begun, 1), "commit": common.commit()}
        write_json(state, every)
    return found


def at_of(args: argparse.Namespace) -> At:
    """Where parts are measured, with what others found."""
    state = Path(args.out) / "gpu.json"
    known = json.loads(state.read_text()).get(card_of(args), {}) if state.exists() else {}
    memory = machine.parse_bytes(args.memory) if args.memory else None
    return At(args.device, Path(args.out), args.data, args.tiny, memory, known)


def card_of(args: argparse.Namespace) -> str:
    """What results belong to."""
    name = torch.cuda.get_device_name(args.device) if args.device.startswith("cuda") else "CPU"
    return f"{name}, tiny" if args.tiny else name


def device_of(name: str) -> str | None:
    """The device to measure on; None where it should be a GPU and there is none."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else None
    return machine.resolve_device(name)


def tell(found: dict[str, dict[str, Any]], nothing: str, parts: list[str]) -> common.Table:
    """The table; `nothing` is what is said of a part that nothing is known of."""
    table = common.Table("gpu", ["what", "asked", "measured", "reached", "remark"])
    for part in PARTS:
        if parts and part.name not in parts:
            continue
        each = found.get(part.name, {"status": "not measured", "remark": nothing})
        if each["status"] != "measured":
            table.row(part.what, part.asked, f"{each['status']}: {each['remark']}")
            continue
        reached = {True: "yes", False: "**no**", None: ""}[each["reached"]]
        table.row(part.what, part.asked, each["measured"], reached, each["remark"])
    return table


def main(words: list[str] | None = None) -> None:
    """Measure what is left and print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="CIFAR-10, for the parts that train to an accuracy")
    parser.add_argument("--out", default=str(OUT), help="folder of what was measured, and of runs")
    parser.add_argument("--limit", default="9m", help="all of it ends within this time, such as 9m")
    parser.add_argument("--parts", nargs="*", default=[], choices=[p.name for p in PARTS], help="these alone")
    parser.add_argument("--device", default="auto", help="cuda, or cpu (with --tiny)")
    parser.add_argument("--memory", help="believe that so much is free, such as 8GB")
    parser.add_argument("--tiny", action="store_true", help="sizes of a second, made-up data")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    device = device_of(args.device)
    if device is None:
        table = tell({}, "no GPU here", args.parts)
    else:
        args.device = device
        Path(args.out).mkdir(parents=True, exist_ok=True)
        machine.prepare(None)
        if args.part:
            part = next(p for p in PARTS if p.name == args.part)
            write_json(Path(args.out) / f"{part.name}.answer.json", measured_here(part, at_of(args)))
            return
        found = measure(args, card_of(args), Path(args.out) / "gpu.json")
        table = tell(found, "not asked for", args.parts)
        table.data = found
        table.note(f"On {card_of(args)}; what was measured is kept in {os.path.relpath(args.out)}/gpu.json.")
    print(table.save(args.write))


if __name__ == "__main__":
    main()
