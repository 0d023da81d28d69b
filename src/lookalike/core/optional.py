"""Packages that are not needed until somebody asks for what they do.

They are imported when they are used. What an import raises is of no consequence: a package that is broken is as good
as absent, and either way the remedy is a line to install it with.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from lookalike.core.errors import LookalikeError
from lookalike.core.process import warnings_ignored

_COMPILED = ("nms", "qnms")
"""Operators that torchvision's Python part asks for at its import. They find boxes, which nothing here looks for."""


def need(module: str, extra: str, what: str) -> ModuleType:
    """An optional package.

    Args:
        module: its name for `import`.
        extra: the extra of lookalike that installs it.
        what: what it is needed for, such as the option that asked for it.

    Raises:
        LookalikeError: it cannot be imported, for whatever reason; says how to install it.
    """
    try:
        with warnings_ignored():  # of theirs, about theirs
            return importlib.import_module(module)
    except Exception as error:  # a broken installation raises anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LookalikeError(
            f"{what} needs {module.split('.')[0]}, which cannot be imported ({reason}): "
            f"pip install 'lookalike[{extra}]'"
        ) from error


def need_vision(module: str, what: str) -> ModuleType:
    """torchvision, or timm, which imports it.

    A torchvision whose compiled part does not go with this PyTorch cannot be imported at all, though its networks are
    plain Python. Where that is so, the operators it misses are declared, and it is imported without them.

    Raises:
        LookalikeError: as `need`.
    """
    try:
        importlib.import_module("torchvision")
    except Exception:
        import torch

        for name in [name for name, loaded in sys.modules.items() if loaded and name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # the half of it that was imported
        for operator in _COMPILED:
            if not hasattr(torch.ops.torchvision, operator):
                schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                torch.library.define(f"torchvision::{operator}", schema)
    need("torchvision", "vision", what)
    return need(module, "vision", what)
