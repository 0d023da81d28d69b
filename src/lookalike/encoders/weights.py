"""Encoder weights in files: read strictly, naming everything that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lookalike.core.errors import LookalikeError
from lookalike.core.words import agreeing, counted

_CLASSIFIERS = ("fc.", "classifier.", "head.", "heads.")  # a supervised network's last layer: not part of an encoder
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")  # where timm and others keep the weights
_PREFIXES = ("module.", "_orig_mod.", "encoder.", "backbone.")  # left by DataParallel, compile and trainers


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a .safetensors file, or from a .pt/.pth that holds tensors only."""
    if not path.is_file():
        raise LookalikeError(f"--init {path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a cut or damaged file fails in a dozen ways, some of them without words
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LookalikeError(
            f"--init {path} cannot be read as weights: {reason}. "
            "Take a .safetensors file, or a .pt that holds tensors only (nothing else is ever unpickled)."
        ) from error
    if isinstance(loaded, dict) and {"architecture", "optimizer"} <= loaded.keys():
        raise LookalikeError(
            f"--init {path} is the checkpoint of a training: name the run's folder, {path.parent.parent}"
        )
    for key in _WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in loaded.items()):
        raise LookalikeError(f"--init {path} holds no dictionary of tensors")
    return loaded


def fit_weights(encoder: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Put tensors into an encoder; all must be there and fit, a classifier is left out.

    Args:
        encoder: stays as it was where a tensor does not fit.
        tensors: by their names, which may have what trainers put before them.
        source: what followed --init, for the message.

    Raises:
        LookalikeError: naming each tensor that is missing, left over or of another shape; or a weight is not finite.
    """
    expected = encoder.state_dict()
    weights = {_strip(name, expected): tensor for name, tensor in tensors.items()}
    weights = {name: t for name, t in weights.items() if name in expected or not name.startswith(_CLASSIFIERS)}
    # PyTorch before 0.4.1 did not save this counter (many files still lack it), and nothing here reads it
    weights = {name: t for name, t in expected.items() if name.endswith("num_batches_tracked")} | weights
    problems = [f"missing {name} {list(t.shape)}" for name, t in expected.items() if name not in weights]
    problems += [f"left over {name} {list(t.shape)}" for name, t in weights.items() if name not in expected]
    problems += [
        f"{name} is {list(weights[name].shape)}, the network wants {list(t.shape)}"
        for name, t in expected.items()
        if name in weights and weights[name].shape != t.shape
    ]
    if problems:
        listed = "\n".join(f"  - {p}" for p in problems[:10])
        more = f"\n  - and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise LookalikeError(
            f"--init {source} does not fit {type(encoder).__name__}: {counted(len(problems), 'tensor')} "
            f"{agreeing(len(problems), 'differs', 'differ')}\n{listed}{more}\n"
            "Choose the --encoder, --width, --stem and --norm that the weights were made for."
        )
    broken = [name for name, t in weights.items() if t.is_floating_point() and not t.isfinite().all()]
    if broken:
        raise LookalikeError(
            f"--init {source} holds NaN or infinity in {len(broken)} of {counted(len(weights), 'tensor')}, such "
            f"as {broken[0]}"
        )
    encoder.load_state_dict(weights)


def _strip(name: str, expected: Mapping[str, Tensor]) -> str:
    while name not in expected and name.startswith(_PREFIXES):  # a transformer has an `encoder.` of its own
        name = name.split(".", 1)[1]
    return name
