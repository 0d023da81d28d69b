"""`lookalike.train`: a run from Python in one call, of any method on images in any form."""

from __future__ import annotations

import copy
import dataclasses
import os

from torch import nn

from lookalike import api
from lookalike.core import own_code
from lookalike.core.errors import did_you_mean
from lookalike.core.options import built, current_name
from lookalike.inputs import Scale, as_array, levels, read
from lookalike.methods.base import Method
from lookalike.methods.find import find_method
from lookalike.run import Run, load


def train(
    method: str | type[Method], data: object, *, encoder: str | nn.Module | None = None, **options: object
) -> Run:
    """Train a network on images, and give the run: `lookalike.train(BYOL, "photos/", epochs=50).search("new.jpg")`.

    Args:
        method: a subclass of `Method`, or what `lookalike train` takes: `simclr`, `mine.py:BYOL`.
        data: DATA as on the command line, or images in any form that estimators take.
        encoder: as `--encoder`, or a network of your own, [B, C, S, S] -> [B, D], which stays untrained itself.
        options: those of the method by name, such as `epochs`, `batch_size` and `out`, the run folder. `augment` may be
            a function of uint8 batches, torchvision's transforms v2 or Albumentations; `loss`, of a method that has it,
            a function.

    Returns:
        The finished run; the same call again goes on where it was stopped, or returns what is there.

    Raises:
        LookalikeError: what the user can put right.
        TypeError: an option that the method does not have, or an image_size that is no integer.
    """
    kind = find_method(method)
    names = [f.name for f in dataclasses.fields(kind.Options)]
    options = {current_name(name): value for name, value in options.items()}
    for name in options:
        if name not in names:
            raise TypeError(f"{kind.title} has no option {name!r}: {did_you_mean(name, names)}")
    values = own_code.named(options)
    network = encoder if isinstance(encoder, nn.Module) else None
    if isinstance(encoder, str):
        values["encoder"] = encoder
    images = None
    if isinstance(data, str | os.PathLike):
        values["data"] = os.fspath(data)
    elif isinstance(data, list | tuple) and all(isinstance(place, str) for place in data):
        values["data"] = tuple(data)
    else:
        array = as_array(data)
        scale = None if array is None else Scale.from_array(array)
        side = values.get("image_size")
        if side is not None and not isinstance(side, int):
            raise TypeError(f"image_size must be an integer, got {side!r}")
        images = read(data if array is None else levels(array, scale), side, scale)
    settings, command = built(kind.Options, values), "lookalike.train"
    folder = api.train(method, settings, set(values), images=images, encoder=copy.deepcopy(network), command=command)
    api.finish(folder, encoder=copy.deepcopy(network))
    return load(folder.path, encoder=copy.deepcopy(network))
