"""What this machine can do, and the settings that make PyTorch fast on it."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from lookalike.core import container
from lookalike.core.errors import LookalikeError
from lookalike.core.process import after_fork, keep_freed_memory

if TYPE_CHECKING:  # importing it takes seconds
    import torch

Precision = Literal["auto", "bf16", "float32", "float64"]

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def cores() -> int:
    """CPU cores this process may use: those that it may run on, and in a container not more than it is granted."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(here, _granted_cores() or here)


def within_quota(threads: int) -> int:
    """So many threads, but not more than the cores that a container grants: more would wait for each other."""
    return min(threads, _granted_cores() or threads)


@cache
def _granted_cores() -> int | None:
    return container.quota_cores()


@cache
def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def processes_here() -> int:
    """Processes of this job on this machine, as torchrun says; 1 without it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def prepare(threads: int | None) -> None:
    """Set up a process of our own, as the command line's is: memory and threads (an equal share of the cores)."""
    keep_freed_memory()
    with suppress(ImportError):  # some commands work without PyTorch; those that do not will say so
        import torch

        torch.set_num_threads(threads or _share())


def use_threads(threads: int | None) -> None:
    """Let PyTorch use so many threads in a process that is somebody else's; inside of `process.threads_kept`.

    Without a number it is what PyTorch is set to, but not more than the cores that there are: in a container PyTorch
    counts those of the machine. Where several processes were started together it is an equal share of the cores. After
    a fork it is one, whatever is asked for.
    """
    import torch

    if after_fork():
        torch.set_num_threads(1)
        return
    few = min(torch.get_num_threads(), cores()) if processes_here() == 1 else _share()
    torch.set_num_threads(threads or few)


def _share() -> int:
    return max(1, cores() // processes_here())


def resolve_device(name: str) -> str:
    """A usable device for `--device`: `auto` takes CUDA, then Apple's MPS, then the CPU."""
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    kind = name.split(":")[0]
    if not available.get(kind, False):
        usable = ", ".join(k for k, is_available in available.items() if is_available)
        raise LookalikeError(f"--device {name} is not there: this PyTorch ({torch.__version__}) can use {usable}")
    return name


def resolve_precision(name: Precision, device: str) -> Precision:
    """`auto` is bf16 where the device computes in it, else float32."""
    import torch

    if name != "auto":
        return name
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if device == "cpu" and cpu_has_bf16() else "float32"


def parse_bytes(text: str) -> int:
    """A number of bytes from "4GB" or "500 MB" (units of 1024).

    Raises:
        ValueError: it is none.
    """
    matched = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?)i?B?\s*", text, re.IGNORECASE)
    if not matched:
        raise ValueError(f"not a size of memory: {text!r}; write it as 4GB or 500MB")
    return int(float(matched[1]) * _UNITS[matched[2].upper()])


def size_words(n: float) -> str:
    """A number of bytes for people: 1.2 GB, 340 MB (units of 1024)."""
    unit = next((u for u in ("T", "G", "M", "K") if n >= _UNITS[u]), "")
    value = n / _UNITS[unit]
    return f"{value:.1f} {unit}B" if unit and value < 10 else f"{value:.0f} {unit}B"


def available_bytes() -> int:
    """Memory that may be taken without swapping: of the machine, and of what a container is granted."""
    left = container.memory_left()
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        line = next(x for x in lines if x.startswith("MemAvailable"))
        free = int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        free = 4 * 2**30  # a system that does not say: what any machine of today has
    return free if left is None else min(free, left)


def free_bytes(device: torch.device | str) -> int:
    """Memory that is free on a device (a name or a torch.device); of anything but CUDA what the system says is free."""
    import torch

    return torch.cuda.mem_get_info(device)[0] if str(device).startswith("cuda") else available_bytes()


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    import numpy
    import torch

    from lookalike.core.version import VERSION

    return {
        "lookalike": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


class MachineFacts(TypedDict):
    """What run.json says of a machine."""

    system: str
    processor: str
    cores: int
    memory_gib: float
    bf16: bool
    """Whether the processor computes in bfloat16."""
    gpu: str | None


def description() -> MachineFacts:
    """The machine: processor, cores, memory (GiB), accelerator."""
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "bf16": cpu_has_bf16(),
        "gpu": gpu,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    granted = container.memory_limit()
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return granted or 0
    return installed if granted is None else min(installed, granted)
