"""Libraries that an export needs and lookalike does not: imported when they are wanted, missed with an install line."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import warnings
from typing import Any

import torch

from lookalike.core.errors import LookalikeError

_COMPILED = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def need(name: str, extra: str) -> Any:
    """A library by its name.

    Raises:
        LookalikeError: it cannot be imported; says why, and what installs it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except Exception as error:  # a broken installation raises anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LookalikeError(
            f"this format needs {name}, which cannot be imported ({reason}): pip install 'lookalike[{extra}]'"
        ) from error


def torchvision() -> Any:
    """torchvision, also where its compiled part does not fit this torch.

    Beside a CPU build of torch the import of the usual torchvision ends with "operator torchvision::nms does not
    exist". Its models are Python and need no such operator: declared, without anything behind it, it lets them in.
    """
    try:
        return need("torchvision", "vision")
    except LookalikeError:
        if importlib.util.find_spec("torchvision") is None:
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    for name in _COMPILED:
        with contextlib.suppress(RuntimeError):  # declared before
            torch.library.define(f"torchvision::{name}", _SCHEMA)
    return need("torchvision", "vision")


def timm() -> Any:
    """timm, which imports torchvision."""
    torchvision()
    return need("timm", "vision")
