"""What this machine can do, what is wrong with it, and the remedy."""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from lookalike.cli.parse import parse

USAGE = "lookalike doctor"
_LITTLE_DISK = 2.0  # GiB free below which a run may not fit
_LITTLE_MEMORY = 4.0  # GiB


@dataclass(kw_only=True)
class Doctor:
    """Look the machine over: processor, memory, disk, PyTorch, accelerators."""

    json: bool = False
    """Print JSON instead of words."""


def run(words: list[str]) -> int:
    """Examine and report; exit status 1 where something keeps lookalike from working."""
    options = parse(Doctor, words, "lookalike doctor").options
    try:
        found, remarks = examine()
    except ImportError as error:
        print(f"PyTorch does not import: {error}\nInstall it: pip install 'torch>=2.6'")
        return 1
    if options.json:
        print(json.dumps({**found, "remarks": remarks}, indent=2))
        return 0
    for name, value in found.items():
        print(f"{name:16} {value}")
    print()
    for remark in remarks or ["nothing is wrong"]:
        print(f"- {remark}")
    return 0


def examine() -> tuple[dict[str, object], list[str]]:
    """Facts about the machine, and remarks on what could be better, each with a remedy."""
    import torch

    from lookalike.core import machine

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    device = machine.resolve_device("auto")
    found: dict[str, object] = {
        **machine.description(),
        **machine.versions(),
        "device": device,
        "precision": machine.resolve_precision("auto", device),
        "keeps_memory": machine.keep_freed_memory(),
        "disk_free_gib": round(free, 1),
    }
    remarks = []
    if device == "cpu" and torch.version.cuda is None and shutil.which("nvidia-smi"):
        remarks.append("there is an NVIDIA driver but this PyTorch has no CUDA: install a CUDA build from pytorch.org")
    if device == "cpu" and not machine.cpu_has_bf16():
        remarks.append("this processor does not compute in bfloat16: training runs in float32, about half as fast")
    if free < _LITTLE_DISK:
        remarks.append(f"only {free:.1f} GiB of disk are free here: name a run folder elsewhere with --out")
    memory = machine.description()["memory_gib"]
    if 0 < memory < _LITTLE_MEMORY:
        remarks.append(f"{memory} GiB of memory: images are held in memory, so a large folder may not fit")
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        pass
    except Exception as error:  # a torchvision of another build fails in many ways
        remarks.append(
            f"torchvision is installed but does not fit this PyTorch ({str(error).splitlines()[0]}); lookalike does "
            "not need it. Remedy for other software: pip install --upgrade torch torchvision, from one index"
        )
    return found, remarks
