"""Presets: sets of values that were measured for a kind of images, and what a method says over them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files

from torch import Tensor

from lookalike.augment.recipes import augmentation_names
from lookalike.core import own_code
from lookalike.core.config import Layer
from lookalike.core.errors import did_you_mean
from lookalike.core.options import AUTO, OWN_VIEWS, TrainOptions
from lookalike.core.record_types import Record
from lookalike.data.base import Images
from lookalike.encoders.base import name_problem
from lookalike.engine.pacing import CLOCK, read_legs
from lookalike.methods.base import Method
from lookalike.methods.find import find_method

FEWEST = 16  # images of a batch below which contrast has nothing to contrast

_TUNED_WITH = "sgd"  # the optimiser of every rate that stands beside no other


def preset_table() -> dict[str, Record]:
    """The presets that come with the package, by name."""
    folder = files("lookalike") / "recipes"
    paths = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): tomllib.loads(f.read_text(encoding="utf-8")) for f in paths}


def preset_layers(preset: str, method: str | type[Method]) -> list[Layer]:
    """What a preset and a method say, from the lowest to the highest.

    A preset's common values, over them what the method says for all images (`Method.presets["*"]`) and for this preset
    (`Method.presets[preset]`), and the preset's own table for the method.

    Raises:
        OwnCodeError: the method has values for a preset that is not there.
    """
    tables, kind = preset_table(), find_method(method)
    table, overrides = tables.get(preset, {}), kind.presets
    name = method if isinstance(method, str) else method.__name__
    for key in overrides:
        if key not in ("*", *tables):
            suggestion = did_you_mean(key, ["*", *tables])
            raise own_code.wrong(kind, f"{kind.__name__}.presets is for the unknown preset {key!r}: {suggestion}")
    common = {key: value for key, value in table.items() if not isinstance(value, dict)}
    layers = (
        Layer(f"preset {preset}", common),
        Layer(f"method {name}", overrides.get("*", {})),
        Layer(f"method {name}, for preset {preset}", overrides.get(preset, {})),
        Layer(f"preset {preset}, for {name}", table.get(name, {})),
    )
    return [layer for layer in layers if layer.values]


def preset_values(preset: str, method: str | type[Method]) -> Record:
    """What a preset and a method say together."""
    return {key: value for layer in preset_layers(preset, method) for key, value in layer.values.items()}


def fitting(layers: list[Layer], options: TrainOptions) -> list[Layer]:
    """The layers without values that were tuned for something else than `options` have.

    A rate means nothing to another optimiser than its own; and smaller views go with networks of ours, which take any
    size: a transformer of another library may not.
    """
    fitted = []
    for layer in layers:
        foreign = {"lr"} if layer.values.get("optimizer", _TUNED_WITH) != options.optimizer else set()
        foreign |= {"view_scale"} if ":" in options.encoder else set()
        fitted.append(Layer(layer.source, {key: value for key, value in layer.values.items() if key not in foreign}))
    return fitted


def count_distinct(images: Images, rows: Tensor) -> int:
    """How many of these images differ in some pixel."""
    return len(set(map(bytes, images.digests[rows.numpy()])))


def choose_preset(images: Images) -> str:
    """The preset for images of this kind; what is grey is so however many channels it was saved in."""
    channels, height, _ = images.shape
    grey = channels == 1 or (channels == 3 and images.colour and not images.coloured)
    if grey and height <= 32:
        return "digits" if height < 24 else "mnist"
    return "small-images" if height <= 32 else "photos"


def early_problems(options: TrainOptions) -> Iterator[str]:
    """Mistakes that can be found before any image is read; all of them."""
    yield from options.problems()
    if options.preset != "auto" and options.preset not in preset_table():
        yield f"unknown preset {options.preset!r}: {did_you_mean(options.preset, ['auto', *preset_table()])}"
    if own_code.is_own(options.augment):
        own_code.find(options.augment)
    elif options.augment not in (names := [AUTO, OWN_VIEWS, *augmentation_names()]):
        yield f"unknown augmentation {options.augment!r}: {did_you_mean(options.augment, names)}"
    if options.schedule not in (None, CLOCK):
        try:
            read_legs(str(options.schedule))
        except ValueError as error:
            yield f"--schedule {error}"
    problem = name_problem(options.encoder)
    if problem and not options.encoder.startswith("python:"):
        yield problem
