"""Weights for torchvision's own ResNet, with the lines that load them."""

from __future__ import annotations

import shutil
from pathlib import Path

from lookalike.core.optional import need_vision
from lookalike.export.base import Outcome, Source, unsupported
from lookalike.export.networks import (
    LOADER,
    RESNETS,
    WEIGHTS,
    checked,
    is_resnet,
    parity,
    torchvision_lines,
    write_loader,
)

ANY_NETWORK = False


def export(source: Source, folder: Path) -> Outcome:
    """`encoder.safetensors` under torchvision's names, and `load.py`, which has been run and compared."""
    backbone = source.backbone
    if not is_resnet(backbone):
        raise unsupported("torchvision", backbone, RESNETS)
    need_vision("torchvision", "--to torchvision")
    lines = torchvision_lines(backbone)
    shutil.copyfile(source.run.encoder, folder / WEIGHTS)
    write_loader(folder / LOADER, lines, backbone)
    checks = parity(backbone, folder / LOADER)
    return Outcome(lines.text(repr(str(source.out / WEIGHTS)), backbone), checks, (checked(checks, "torchvision"),))
