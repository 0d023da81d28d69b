"""Calls the library in a process that nobody has touched, and says which of its settings a call has changed."""

from __future__ import annotations

import contextlib
import ctypes
import io
import locale
import logging
import os
import platform
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageFile
import scipy.linalg
import sklearn
import torch
from threadpoolctl import threadpool_info

TINY = torch.full((2**17,), 1e-310, dtype=torch.float64)  # long enough for all threads of PyTorch's own pool
LARGE = 128 << 20  # bytes; beyond what glibc keeps of itself
KEPT = 32 << 20  # bytes of a freed block of that size that may stay
HANDLED = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]


def resident() -> int:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def gives_memory_back() -> bool:
    """Whether freed memory goes back to the system, as glibc does by itself."""
    if platform.libc_ver()[0] != "glibc":
        return True
    libc = ctypes.CDLL("libc.so.6")
    libc.malloc.restype = ctypes.c_void_p
    before = resident()
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(LARGE)))
    ctypes.memset(block, 1, LARGE)
    libc.free(block)
    return resident() - before < KEPT


def state() -> dict[str, Any]:
    """All that a library has no business with."""
    in_python = 5e-324
    return {
        "subnormal numbers in Python": in_python * float(str(1.0)) > 0,
        "subnormal numbers in NumPy": bool((np.array([5e-324, 1e-310]) * 1.0 > 0).all()),
        "subnormal numbers in PyTorch's threads": int(((TINY * 1.0) > 0).sum()),
        "freed memory goes back": gives_memory_back(),
        "PIL: MAX_IMAGE_PIXELS": PIL.Image.MAX_IMAGE_PIXELS,
        "PIL: LOAD_TRUNCATED_IMAGES": PIL.ImageFile.LOAD_TRUNCATED_IMAGES,
        "PIL: MAXBLOCK": PIL.ImageFile.MAXBLOCK,
        "PIL: formats": {name: str(found[0]) for name, found in PIL.Image.OPEN.items()},
        "filters of warnings": list(warnings.filters),
        "showing of warnings": (warnings.showwarning, warnings.formatwarning),
        "threads of PyTorch": torch.get_num_threads(),
        "threads of PyTorch between operations": torch.get_num_interop_threads(),
        "default type": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")),
        "generator of PyTorch": torch.get_rng_state().numpy().tobytes(),
        "generator of NumPy": tuple(map(str, np.random.get_state())),
        "generator of Python": random.getstate(),
        "precision of products": torch.get_float32_matmul_precision(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "cuDNN": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.cudnn.enabled),
        "errors of NumPy": np.geterr(),
        "printing of NumPy": str(np.get_printoptions()),
        "environment": dict(os.environ),
        "handlers of signals": {number: signal.getsignal(number) for number in HANDLED},
        "loggers": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "locale": locale.setlocale(locale.LC_ALL),
        "working folder": str(Path.cwd()),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.unraisablehook),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "path of imports": list(sys.path),
        "limit of recursion": sys.getrecursionlimit(),
        "mask of new files": umask(),
        "threads of BLAS": [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()],
        "settings of scikit-learn": sklearn.get_config(),
    }


def umask() -> int:
    """The mask, which can only be had by setting it."""
    found = os.umask(0)
    os.umask(found)
    return found


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs."""
    if before["PIL: formats"].items() <= after["PIL: formats"].items():  # Pillow loads its own when they are asked for
        before = before | {"PIL: formats": after["PIL: formats"]}
    return [f"{name}: {difference(before[name], after[name])}" for name in before if before[name] != after[name]]


def difference(before: Any, after: Any) -> str:
    """Two values in words, without what they share."""
    if isinstance(before, dict):
        before, after = set(before.items()), set(after.items())
    if isinstance(before, list):
        before, after = {*map(str, before)}, {*map(str, after)}
    if isinstance(before, set):
        return f"{before - after} became {after - before}"
    return f"{before!r:.80} became {after!r:.80}"


def calls(folder: Path) -> list[tuple[str, Callable[[], object]]]:
    """What is called, in its order; each may use what the ones before have left."""
    import lookalike

    x = np.random.default_rng(0).integers(0, 255, (48, 12, 12), dtype=np.uint8)
    y = np.arange(48) % 2
    small: dict[str, Any] = {"epochs": 1, "width": 4, "batch_size": 16}
    known: dict[str, Any] = {}

    def keep(name: str, value: Any) -> Any:
        known[name] = value
        return value

    def train() -> object:
        from lookalike import api

        for i, pixels in enumerate(x):
            place = folder / "images" / "ab"[i % 2]
            place.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels).save(place / f"{i}.png")
        from lookalike.methods.find import find_method

        options = find_method("simclr").Options
        data, out = str(folder / "images"), str(folder / "trained")
        return keep("trained", api.train("simclr", options(data=data, out=out, **small, cache=str(folder / "cache"))))

    def kmeans() -> object:
        from lookalike.clustering import KMeans

        rows = np.random.default_rng(0).normal(size=(3000, 20))
        return KMeans(4, random_state=0).fit(rows).predict(rows)

    def evaluate() -> object:
        from lookalike import api

        return api.evaluate(known["trained"], baselines=False)

    return [
        ("fit", lambda: keep("model", lookalike.SimCLR(**small, out=str(folder / "run")).fit(x))),
        ("transform", lambda: known["model"].transform(x)),
        ("predict", lambda: lookalike.DeepCluster(**small, n_clusters=3).fit(x).predict(x)),
        ("supervised", lambda: lookalike.Supervised(**small, threads=1).fit(x, y).predict(x)),
        ("KMeans", kmeans),
        ("train", train),
        ("load", lambda: keep("run", lookalike.load(folder / "run"))),
        ("embed", lambda: known["run"].embed(x[:3])),
        ("search", lambda: known["run"].search(x[0], n=3)),
        ("evaluate", evaluate),
        ("report", lambda: known["model"].report().html()),
    ]


def main(folder: Path) -> int:
    """Exit status 1 and a line for each change."""
    torch.set_num_threads(2)
    (TINY * 1.0).sum()  # PyTorch's threads are there, and not those of a call that has settings of its own
    scipy.linalg.eigh(np.eye(3))
    found: list[str] = []
    before = state()
    for where, work in [("import", lambda: __import__("lookalike")), *calls(folder)]:
        for in_a_thread in (False, True) if where in ("transform", "KMeans", "search", "supervised") else (False,):
            with contextlib.redirect_stdout(io.StringIO()):
                if in_a_thread:
                    thread = threading.Thread(target=work)
                    thread.start()
                    thread.join()
                else:
                    work()
            after = state()
            found += [f"{where}{' in a thread' * in_a_thread}: {change}" for change in changes(before, after)]
            before = after
    print("\n".join(found) or "nothing was changed")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
