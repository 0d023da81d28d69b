"""A folder as Hugging Face's hub has them: weights, configuration, preprocessing, a model card and a loader.

The card is meant to be given away: it names the data, and no place on this machine.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save

from lookalike.api.records import options_of
from lookalike.core.errors import LookalikeError
from lookalike.core.optional import need_vision
from lookalike.core.options import short
from lookalike.core.version import VERSION
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.export import card
from lookalike.export.base import Outcome, Source
from lookalike.export.networks import (
    LOADER,
    Lines,
    checked,
    compare,
    is_resnet,
    parity,
    torchvision_lines,
    write_loader,
)

ANY_NETWORK = True
WEIGHTS = "model.safetensors"

_PICTURES = '''

def features(files):
    """Features [B, {width}] of image files."""
    with torch.no_grad():
        return model(prepare(torch.stack([pixels(file) for file in files])))


def pixels(file):
    """The central square of an image file, uint8 [{channels}, {side}, {side}]."""
    with Image.open(file) as image:
        image = ImageOps.exif_transpose(image).convert("{mode}")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    array = numpy.array(image.resize(({side}, {side}), Image.Resampling.BILINEAR, box))
    return torch.from_numpy(array).view({side}, {side}, {channels}).permute(2, 0, 1)'''


def export(source: Source, folder: Path) -> Outcome:
    """model.safetensors, config.json, preprocessor_config.json, README.md and load.py, which has been run."""
    backbone = source.backbone
    if source.encoder is not None:
        raise LookalikeError(
            "huggingface cannot hold a network of your own, whose code it would need; --to onnx takes any network"
        )
    with safe_open(source.run.encoder, framework="pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    (folder / WEIGHTS).write_bytes(save(tensors, {**metadata, "format": "pt"}))
    _write_json(folder / "config.json", _configuration(source, backbone))
    _write_json(folder / "preprocessor_config.json", _preprocessing(backbone))
    _write_module(folder / LOADER, backbone)
    if is_resnet(backbone):
        need_vision("torchvision", "--to huggingface")
    checks = parity(backbone, folder / LOADER)
    messages = [checked(checks, "torchvision" if is_resnet(backbone) else "lookalike")]
    if _of_timm(backbone):
        messages.append(_check_timm(backbone, folder))
    words = card.text(source, backbone, options_of(source.run))
    (folder / "README.md").write_text(words, encoding="utf-8", errors="surrogateescape")
    snippet = f"import sys; sys.path.insert(0, {str(source.out)!r})\nfrom load import model, prepare"
    if backbone.spec.channels in (1, 3):
        snippet = snippet.replace("model, prepare", "features") + '\n\nx = features(["photo.jpg"])'
    return Outcome(snippet, checks, tuple(messages))


def _of_timm(backbone: FeatureExtractor) -> bool:
    """Whether timm builds the network from its configuration alone."""
    return is_resnet(backbone) and backbone.spec.norm == "batch" and not backbone.spec.small_stem


def _configuration(source: Source, backbone: FeatureExtractor) -> dict[str, object]:
    spec, (method, options) = backbone.spec, options_of(source.run)
    side = spec.image_size
    config: dict[str, object] = {
        "library": "lookalike",
        "version": VERSION,
        "encoder": spec.name,
        "num_features": backbone.encoder.out_features,
        "num_classes": 0,
        "channels": spec.channels,
        "image_size": side,
        "width": spec.width,
        "stem": "small" if spec.small_stem else "large",
        "norm": spec.norm,
        "mean": list(backbone.mean),
        "std": list(backbone.std),
        "method": method,
        "data": short(options.data),
        "training": card.training(options),
    }
    if _of_timm(backbone):  # what `timm.create_model("local-dir:...")` and "hf-hub:..." read
        config["architecture"] = spec.name
        config["model_args"] = {} if spec.channels == 3 else {"in_chans": spec.channels}
        config["pretrained_cfg"] = {
            "input_size": [spec.channels, side, side],
            "num_classes": 0,
            "mean": list(backbone.mean),
            "std": list(backbone.std),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "classifier": "fc",
        }
    return config


def _preprocessing(backbone: FeatureExtractor) -> dict[str, object]:
    side = backbone.spec.image_size
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": backbone.spec.channels == 3,
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 2,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(backbone.mean),
        "image_std": list(backbone.std),
    }


def _write_module(path: Path, backbone: FeatureExtractor) -> None:
    spec = backbone.spec
    ours = ("import torch", "from lookalike.engine.backbone import load_backbone")
    lines = torchvision_lines(backbone) if is_resnet(backbone) else _Ours(ours, ())
    more: list[str] = []
    if spec.channels in (1, 3):
        mode = "L" if spec.channels == 1 else "RGB"
        words = {"width": backbone.encoder.out_features, "channels": spec.channels, "side": spec.image_size}
        more = _PICTURES.format(mode=mode, **words).splitlines()
        imports = ("import numpy", *lines.imports, "from PIL import Image, ImageOps")
        lines = dataclasses.replace(lines, imports=imports)
    write_loader(path, lines, backbone, WEIGHTS, more)


class _Ours(Lines):
    """Lines for a network that lookalike alone has."""

    def load(self, weights: str) -> tuple[str, ...]:
        return (f'model = load_backbone({weights}, "cpu").encoder',)


def _check_timm(backbone: FeatureExtractor, folder: Path) -> str:
    try:
        library = need_vision("timm", "--to huggingface")
    except Exception:  # it is a second way in, and its absence no fault
        return "not checked with timm, which is not installed: pip install 'lookalike[vision]'"
    model = library.create_model(f"local-dir:{folder}", pretrained=True)
    return checked(compare(backbone, model, backbone.preprocess), "timm")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="surrogateescape")
