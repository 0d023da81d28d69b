"""Writes pinned.json: what torchvision makes of one tiny image with known parameters."""

import contextlib
import json
import warnings
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

PINNED = Path(__file__).with_name("pinned.json")

# parameters by operation; a box is top, left, height, width in pixels, angles are degrees counter-clockwise
PARAMETERS = {
    "resized_crop": [[1, 2, 4, 5], [0, 0, 6, 8], [2, 3, 1, 1], [1, 0, 5, 3]],
    "hflip": [None],
    "rotate": [15.0, -40.0],
    "brightness": [0.3, 1.7],
    "contrast": [0.3, 1.7],
    "saturation": [0.3, 1.7],
    "hue": [-0.2, 0.13],
    "grayscale": [None],
    "blur": [0.4, 1.5],
}
CROP_SIZE = 5  # pixels
BLUR_TAPS = 3


def tiny_image() -> Tensor:
    """A colour image [3, 6, 8] in [0, 1] that any program can make again."""
    return (torch.arange(3 * 6 * 8) * 37 % 256).view(3, 6, 8) / 255


def torchvision_functional() -> ModuleType:
    """torchvision.transforms.functional, from torchvision's Python part; raises where it cannot be imported."""
    for name in ("nms", "qnms"):  # declared by the compiled part, which need not fit this torch
        with contextlib.suppress(RuntimeError):  # where it is there after all
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchvision.transforms.functional as functional
    return functional


def torchvision_result(operation: str, x_BCHW: Tensor, parameter, size: int, taps: int) -> Tensor:
    """What torchvision makes of float images; `size` is the side of crops, `taps` of the blur."""
    tv = torchvision_functional()
    bilinear = tv.InterpolationMode.BILINEAR
    calls = {
        "resized_crop": lambda: tv.resized_crop(x_BCHW, *parameter, [size, size], bilinear, antialias=True),
        "hflip": lambda: tv.hflip(x_BCHW),
        "rotate": lambda: tv.rotate(x_BCHW, parameter, bilinear),
        "brightness": lambda: tv.adjust_brightness(x_BCHW, parameter),
        "contrast": lambda: tv.adjust_contrast(x_BCHW, parameter),
        "saturation": lambda: tv.adjust_saturation(x_BCHW, parameter),
        "hue": lambda: tv.adjust_hue(x_BCHW, parameter),
        "grayscale": lambda: tv.rgb_to_grayscale(x_BCHW, 3),
        "blur": lambda: tv.gaussian_blur(x_BCHW, [taps, taps], [parameter, parameter]),
    }
    return calls[operation]()


def torchvision_pinned() -> dict[str, list]:
    """The results of every operation and parameter on the tiny image, rounded to 6 digits."""
    x_1CHW = tiny_image()[None]
    return {
        operation: [
            [
                round(value, 6)
                for value in torchvision_result(operation, x_1CHW, p, CROP_SIZE, BLUR_TAPS).flatten().tolist()
            ]
            for p in parameters
        ]
        for operation, parameters in PARAMETERS.items()
    }


if __name__ == "__main__":
    PINNED.write_text(json.dumps(torchvision_pinned(), separators=(",", ":")).replace("],", "],\n") + "\n")
