"""ONNX: uint8 images of any size in, features out, for any number of images at once."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lookalike.core.errors import LookalikeError
from lookalike.core.optional import need
from lookalike.core.process import warnings_ignored
from lookalike.core.resample import resize_matrix
from lookalike.core.words import counted
from lookalike.data.padded import HALF, CenterCrops
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.export.base import Outcome, Source
from lookalike.export.networks import sample

ANY_NETWORK = True
FILE = "encoder.onnx"
TOLERANCE = 1e-4


class Session(Protocol):
    """What is used of onnxruntime's `InferenceSession`."""

    def run(self, output_names: None, input_feed: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        """The outputs of the graph for these inputs."""
        ...


class FromPixels(nn.Module):
    """uint8 images [B, H, W, C] to features [B, D]: what the run does to an image, from its pixels on.

    The central square is brought to the network's size by `resize_matrix`, rounded to levels and normalised.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: FeatureExtractor) -> None:
        super().__init__()
        self.encoder, self.side = copy.deepcopy(backbone.encoder).float().eval(), backbone.spec.image_size
        self.register_buffer("mean", torch.tensor(backbone.mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(backbone.std, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, images_BHWC: Tensor) -> Tensor:
        x = images_BHWC.permute(0, 3, 1, 2).float()
        # sizes stay tensors, so that the graph holds for images of any
        height, width = torch.full((1,), x.shape[2]), torch.full((1,), x.shape[3])
        side = torch.minimum(height, width)
        rows = resize_matrix((height - side) // 2, side, x.shape[2], self.side)
        columns = resize_matrix((width - side) // 2, side, x.shape[3], self.side)
        square = rows @ (x @ columns.transpose(1, 2))
        levels = (square + HALF).clamp(0.0, 255.0).floor()
        return self.encoder((levels / 255 - self.mean) / self.std)


def export(source: Source, folder: Path) -> Outcome:
    """`encoder.onnx`, which has been run by onnxruntime and compared on batches of several sizes."""
    onnx, runtime = (need(name, "onnx", "--to onnx") for name in ("onnx", "onnxruntime"))
    need("onnxscript", "onnx", "--to onnx")
    backbone = source.backbone
    model = _program(backbone).model_proto
    model.producer_name = "lookalike"
    for key, value in {"encoder": backbone.spec.name, "image_size": str(backbone.spec.image_size)}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    largest = compare(backbone, runtime.InferenceSession(data, providers=["CPUExecutionProvider"]))
    (folder / FILE).write_bytes(data)
    message = f"checked: onnxruntime gives the run's features (largest difference {largest:.0e})"
    return Outcome(_snippet(backbone, source.out / FILE), {"features": largest}, (message,))


def _program(backbone: FeatureExtractor) -> torch.onnx.ONNXProgram:
    """The network, exported."""
    network = FromPixels(backbone).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as in feature_extractor.placed
    example = sample(backbone, 2, backbone.spec.image_size + 3, backbone.spec.image_size + 7).permute(0, 2, 3, 1)
    axes = {i: torch.export.Dim(name) for i, name in enumerate(("batch", "height", "width"))}
    try:
        with warnings_ignored(), torch.no_grad():  # of torch's exporter about itself
            program = torch.onnx.export(
                network,
                (example.contiguous(),),
                input_names=["images"],
                output_names=["features"],
                dynamic_shapes={"images_BHWC": axes},
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # a network of the user's may hold anything
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise LookalikeError(f"torch cannot write {backbone.spec.name} as ONNX: {reason}") from error
    assert program is not None  # with dynamo=True there is one
    return program


def compare(backbone: FeatureExtractor, session: Session) -> float:
    """The largest difference between onnxruntime's features and the run's own, over batches of several sizes.

    Sizes are such that both ways of resizing are exact: no pixel can fall on the other side of a half.

    Raises:
        LookalikeError: it is above 1e-4 (times the largest feature, where that is above 1).
    """
    plain = dataclasses.replace(backbone, encoder=copy.deepcopy(backbone.encoder).float(), precision="float32")
    side, largest = backbone.spec.image_size, 0.0
    for n, height, width in ((1, side, side), (3, 2 * side, 2 * side + 5), (2, 4 * side + 2, 4 * side)):
        images_NCHW = sample(backbone, n, height, width)
        ours = plain.features(CenterCrops(images_NCHW, None, side, torch.arange(n))).numpy()
        pixels = np.ascontiguousarray(images_NCHW.permute(0, 2, 3, 1).numpy())
        theirs = session.run(None, {"images": pixels})[0]
        difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else float("inf")
        if not difference <= TOLERANCE * max(1.0, float(np.abs(ours).max())):
            raise LookalikeError(
                f"onnxruntime's features of {counted(n, 'image')} of {height} x {width} pixels differ from the "
                "run's by "
                f"{difference:.1e}; nothing was written"
            )
        largest = max(largest, difference)
    return largest


def _snippet(backbone: FeatureExtractor, path: Path) -> str:
    channels = backbone.spec.channels
    read = {
        1: 'Image.open("photo.jpg").convert("L"))[None, ..., None]',
        3: 'Image.open("photo.jpg").convert("RGB"))[None]',
    }
    images = f"numpy.asarray({read[channels]}" if channels in read else 'numpy.load("images.npy")'
    return "\n".join(
        [
            "import numpy, onnxruntime",
            *(["from PIL import Image"] if channels in read else []),
            "",
            f"session = onnxruntime.InferenceSession({str(path)!r})",
            f"images = {images}  # uint8 [B, H, W, {channels}], any size",
            f'features = session.run(None, {{"images": images}})[0]  # float32 [B, {backbone.encoder.out_features}]',
        ]
    )
