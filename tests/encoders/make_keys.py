"""Writes torchvision_keys.json: the names and shapes of torchvision's ResNets, without classifier."""

import contextlib
import json
import warnings
from pathlib import Path

import torch

KEYS = Path(__file__).with_name("torchvision_keys.json")


def torchvision_keys() -> dict[str, dict[str, list[int]]]:
    """Shape by tensor name of resnet18 and resnet50, from torchvision's Python part."""
    for name in ("nms", "qnms"):  # declared by the compiled part, which need not fit this torch
        with contextlib.suppress(RuntimeError):  # where it is there after all
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchvision.models import resnet18, resnet50
    with torch.device("meta"):
        networks = {"resnet18": resnet18(), "resnet50": resnet50()}
    return {
        name: {key: list(t.shape) for key, t in network.state_dict().items() if not key.startswith("fc.")}
        for name, network in networks.items()
    }


if __name__ == "__main__":
    KEYS.write_text(json.dumps(torchvision_keys(), separators=(",", ":")).replace('],"', '],\n"') + "\n")
