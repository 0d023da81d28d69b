"""What this machine and these images can do, what is wrong with them, and the remedy."""

from __future__ import annotations

import importlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.cli.parse import parse
from lookalike.core.progress import phase
from lookalike.core.words import counted
from lookalike.methods.roles import DEFAULT

if TYPE_CHECKING:  # commands are listed without loading what they need
    from lookalike.data.quality import Quality

USAGE = "lookalike doctor [DATA]"
_LITTLE_DISK = 2.0  # GiB free below which a run may not fit
_LARGE_CACHE = 0.25  # share of the disk that could be free
_LITTLE_MEMORY = 4.0  # GiB
_SIDE = 128  # pixels that images are examined at


@dataclass(kw_only=True)
class Doctor:
    """Look the machine over: processor, memory, disk, PyTorch, accelerators; with DATA, look the images over."""

    data: str | tuple[str, ...] = ""
    """Images to examine, each read once: folders, image files, lists, archives, FILE.npy, digits... Nothing is
    changed."""
    download: bool = False
    """Fetch mnist: or cifar10: first, where the files are not there."""
    json: bool = False
    """Print JSON instead of words."""


def run(words: list[str]) -> int:
    """Examine and report; exit status 1 where something keeps lookalike from working."""
    options = parse(Doctor, words, "lookalike doctor", ("data",)).options
    try:
        return _images(options) if options.data else _machine(options)
    except ImportError as error:
        print(f"PyTorch does not import: {error}\nInstall it: pip install 'torch>=2.6'")
        return 1


def _machine(options: Doctor) -> int:
    facts, remarks = examine()
    if options.json:
        print(json.dumps({**facts, "remarks": remarks}, indent=2))
        return 0
    for name, value in facts.items():
        print(f"{name:16} {value}")
    print()
    for remark in remarks or ["nothing is wrong"]:
        print(f"- {remark}")
    return 0


def _images(options: Doctor) -> int:
    quality = examine_images(options.data, options.download)
    if options.json:
        print(json.dumps(quality.to_json(), indent=2))
    else:
        print(f"{quality.name!r}: {counted(quality.listed, 'image')} found")
        for line in quality.lines():
            print(f"- {line}")
    return 0 if quality.good else 1


def examine_images(data: str | tuple[str, ...], download: bool = False) -> Quality:
    """Decode every image of DATA once and describe their quality. `download` fetches DATA first.

    Raises:
        LookalikeError: there is nothing to examine.
    """
    from lookalike.core.machine import cores
    from lookalike.data import quality, sources
    from lookalike.data.base import Images
    from lookalike.data.header_scan import scan_headers

    source = sources.find(data, download)
    image_index = sources.as_image_index(source) if isinstance(source, Images) else source
    with ThreadPoolExecutor(cores()) as pool, phase("examining images", len(image_index.entries)) as p:
        results = pool.map(lambda entry: quality.examine(entry, _SIDE)[1], image_index.entries)
        examined = list(p.over(results))
    return quality.quality_of(scan_headers(image_index.entries).with_further(image_index), examined)


def examine() -> tuple[dict[str, object], list[str]]:
    """Facts about the machine, and remarks on what could be better, each with a remedy."""
    import torch

    from lookalike.core import machine
    from lookalike.core.process import keep_freed_memory
    from lookalike.data.store import cache_folder, cache_size, temporary_remark

    free = shutil.disk_usage(Path.cwd()).free / 2**30
    device = machine.resolve_device("auto")
    place = cache_folder(None)
    stores, size = cache_size(place)
    facts: dict[str, object] = {
        **machine.description(),
        **machine.versions(),
        "device": device,
        "precision": machine.resolve_precision("auto", device),
        "keeps_memory": keep_freed_memory(),
        "disk_free_gib": round(free, 1),
        "stores": str(place),
        "stores_gib": round(size / 2**30, 1),
    }
    remarks = [remark] if (remark := temporary_remark(place)) is not None else []
    if device == "cpu" and torch.version.cuda is None and shutil.which("nvidia-smi"):
        remarks.append("there is an NVIDIA driver but this PyTorch has no CUDA: install a CUDA build from pytorch.org")
    if device == "cpu" and not machine.cpu_has_bf16():
        remarks.append("this processor does not compute in bfloat16: training runs in float32, about half as fast")
    if free < _LITTLE_DISK:
        remarks.append(
            f"only {free:.1f} GiB of disk are free here: train elsewhere, lookalike train {DEFAULT} DATA --out FOLDER"
        )
    if size / 2**30 > _LARGE_CACHE * (free + size / 2**30):
        remarks.append(
            f"{counted(stores, 'store')} of decoded images take {machine.size_words(size)} in {place}: those "
            "that you do not need "
            "any more may be removed, and are built anew where they are needed"
        )
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
    return facts, remarks
