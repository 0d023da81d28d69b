"""A trained (or untrained) encoder with all that is needed to use it: sizes, statistics, precision."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lookalike.augment.base import as_float
from lookalike.augment.normalize import normalize
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.comm import SINGLE, Comm, blocks
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically
from lookalike.core.progress import phase
from lookalike.core.version import VERSION
from lookalike.core.words import counted
from lookalike.data.padded import CenterCrops
from lookalike.encoders.base import EncoderSpec, build_encoder

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")

_TOGETHER = 32  # blocks of features that wait on a GPU: 128 MiB of the widest
_COLOUR = 3  # channels; grey images may enter a network for these


@dataclass
class FeatureExtractor:
    """An encoder and how images enter it."""

    encoder: nn.Module
    spec: EncoderSpec
    mean: tuple[float, ...]
    """Per channel, of values in [0, 1]."""
    std: tuple[float, ...]
    precision: str = "float32"
    device: str = "cpu"
    normalized_by: str = "data"
    """Whose mean and deviation those are: of the data, of ImageNet, or of the images of the weights it started from."""

    @outside_autocast
    def preprocess(self, x_BCHW: Tensor) -> Tensor:
        """Normalised input of the network from uint8 or float images in [0, 1]; grey becomes grey colour."""
        dtype = torch.float64 if self.precision == "float64" else torch.float32
        x = as_float(x_BCHW.to(self.device)).to(dtype)
        mean, std = (_on_device(values, dtype, self.device) for values in (self.mean, self.std))
        if x.shape[1] == 1 and self.spec.channels == _COLOUR:
            x = x.expand(-1, _COLOUR, -1, -1)
        return normalize(x, mean, std).contiguous(memory_format=torch.channels_last)

    def compute(self, network: Callable[..., T], *inputs: Tensor) -> T:
        """`network(*inputs)` in the arithmetic of `precision`, whatever the caller computes in.

        The one place where autocast is switched on. It takes tensors, so that images are ready before it begins.
        """
        kind = self.device.split(":")[0]
        bf16 = self.precision == "bf16"
        with torch.autocast(kind, dtype=torch.bfloat16) if bf16 else torch.autocast(kind, enabled=False):
            return network(*inputs)

    @outside_autocast
    @torch.no_grad()
    def features(self, images_NCHW: Tensor | CenterCrops, comm: Comm = SINGLE) -> Tensor:
        """Features [N, D] (float32, CPU) of uint8 or float images: eval mode, no augmentation.

        Of several processes each computes its blocks, and all have all features. Center crops are computed in the order
        of their content, so that features are the same to the bit whatever the images are called.

        Raises:
            LookalikeError: the images have another number of channels or another size.
        """
        wanted = (self.spec.channels, self.spec.image_size, self.spec.image_size)
        grey = (1, *wanted[1:])
        if tuple(images_NCHW.shape[1:]) not in ((wanted, grey) if wanted[0] == _COLOUR else (wanted,)):
            raise LookalikeError(
                f"the network was trained on {_words(wanted)}, these images are {_words(images_NCHW.shape[1:])}"
            )
        turned = images_NCHW.content_order if isinstance(images_NCHW, CenterCrops) else None
        was_training = self.encoder.training
        self.encoder.eval()
        try:
            local_blocks = list(comm.local_blocks(len(images_NCHW)))
            with phase("computing features", sum(rows.stop - rows.start for rows in local_blocks)) as p:

                def block(rows: slice) -> Tensor:
                    images = images_NCHW[rows if turned is None else turned[rows]]
                    x_BD = self.compute(self.encoder, self.preprocess(images)).float()
                    p.step(len(images))
                    return x_BD

                parts = on_cpu(map(block, local_blocks))
        finally:
            self.encoder.train(was_training)
        x_ND = comm.gather(torch.cat(parts))
        return x_ND if turned is None else torch.empty_like(x_ND).index_copy_(0, turned, x_ND)

    @outside_autocast
    @torch.no_grad()
    def with_recomputed_bn_stats(self, images_NCHW: Tensor | CenterCrops) -> FeatureExtractor:
        """A copy whose BatchNorm statistics are those of `images_NCHW` (uint8), at the same weights.

        An untrained network has met no data: with the statistics it is made with (mean 0, variance 1)
        its features are close to nothing, and beating them would say little. This is the fair
        comparison.
        """
        twin = dataclasses.replace(self, encoder=copy.deepcopy(self.encoder))
        norms = [m for m in twin.encoder.modules() if isinstance(m, _BatchNorm)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average over the blocks
        twin.encoder.train()
        with phase("measuring the statistics of a network", len(images_NCHW)) as p:
            for rows in blocks(len(images_NCHW)) if norms else ():
                self.compute(twin.encoder, self.preprocess(images_NCHW[rows]))
                p.at(rows.stop)
        twin.encoder.eval()
        return twin

    def save(self, path: Path, method: str) -> None:
        """Write the encoder's weights and, as metadata, everything else."""
        metadata = {
            **{key: str(value) for key, value in asdict(self.spec).items() if key != "name"},
            "encoder": self.spec.name,
            "mean": json.dumps(self.mean),
            "std": json.dumps(self.std),
            "normalize": self.normalized_by,
            "precision": self.precision,
            "method": method,
            "version": VERSION,
        }
        tensors = {name: t.detach().cpu().contiguous() for name, t in self.encoder.state_dict().items()}
        write_atomically(path, lambda file: file.write(_sorted_header(save(tensors, metadata))))


def placed(module: M, device: str) -> M:
    """A module on its device, its kernels in the memory order that convolutions are fastest in."""
    return module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs do not know memory_format


@cache
def _on_device(values: tuple[float, ...], dtype: torch.dtype, device: str) -> Tensor:
    """Values as a tensor on a device, made once: handing them over makes a GPU finish what it is doing first."""
    return torch.tensor(values, dtype=dtype, device=device)


def on_cpu(parts: Iterable[Tensor]) -> list[Tensor]:
    """Tensors [B, P] on the CPU; some are fetched together, so that a GPU does not run dry between two blocks."""
    fetched: list[Tensor] = []
    waiting: list[Tensor] = []
    for part in parts:
        (fetched if part.device.type == "cpu" else waiting).append(part)
        if len(waiting) == _TOGETHER:
            fetched.append(torch.cat(waiting).cpu())
            waiting.clear()
    return [*fetched, torch.cat(waiting).cpu()] if waiting else fetched


def _sorted_header(data: bytes) -> bytes:
    """The same safetensors file with its header's keys sorted.

    The library writes metadata in the random order of a hash map; equal weights shall be equal files.
    """
    size = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the tensors stay aligned to 8 bytes
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def _words(shape: tuple[int, ...] | torch.Size) -> str:
    return f"{shape[1]} x {shape[2]} pixels with {counted(shape[0], 'channel')}"


@outside_autocast
def load_feature_extractor(path: Path, device: str, encoder: nn.Module | None = None) -> FeatureExtractor:
    """The backbone of encoder.safetensors; `encoder` stands in for one that was given from Python.

    Raises:
        LookalikeError: no such file, no backbone of ours, or weights that do not fit.
    """
    if not path.is_file():
        raise LookalikeError(f"{path} is not there: has the run finished its first epoch?")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        spec = EncoderSpec(
            name=metadata["encoder"],
            channels=int(metadata["channels"]),
            image_size=int(metadata["image_size"]),
            width=int(metadata["width"]),
            stem=metadata["stem"],
            norm=metadata["norm"],
        )
        mean, std = json.loads(metadata["mean"]), json.loads(metadata["std"])
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise LookalikeError(f"{path} is no encoder written by lookalike: {error!r}") from error
    precision = metadata.get("precision", "float32")
    network = encoder if encoder is not None else build_encoder(spec, seed=0)
    if precision == "float64":
        network = network.double()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise LookalikeError(f"{path} does not fit {spec.name}: {str(error).splitlines()[-1].strip()}") from error
    network = placed(network, device).eval()
    normalized_by = metadata.get("normalize", "data")
    return FeatureExtractor(network, spec, tuple(mean), tuple(std), precision, device, normalized_by)
