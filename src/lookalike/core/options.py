"""The options of training: one dataclass is the flag, the TOML key and the Python argument at once.

Methods add their own options by inheriting from `TrainOptions`. A default here is what stands when
neither a flag, nor a configuration file, nor the preset says otherwise. Nothing here imports torch,
so that help and mistakes are answered at once.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from lookalike.core.durations import parse_duration
from lookalike.core.errors import ConfigurationError, did_you_mean
from lookalike.core.words import counted

T = TypeVar("T")
O = TypeVar("O", bound="TrainOptions")  # noqa: E741  # O as in options

AUTO = "auto"
"""A value that stands for: choose for me."""

OWN_VIEWS = "own"
"""A value of --augment: each view as the method has it."""

DEFAULT_LR = {"sgd": 0.25, "lars": 1.0, "adamw": 1e-3}
"""Learning rates where neither the user nor the preset names one; lars as SimCLR on CIFAR-10."""

_MEMORY = re.compile(r"\s*[0-9.]+\s*[KMGT]?i?B?\s*", re.IGNORECASE)

LOGGERS = {"tensorboard": "tensorboard", "wandb": "wandb"}
"""What --log takes, and the extra of this package that each needs."""

_MOST_SPOKEN = 4  # places that are all named in a sentence

RENAMED = {"recipe": "preset"}
"""Options by the names that they had before: flags, files, run folders and arguments with those are read."""

RUNTIME = {"runtime": True}
"""Metadata of options that say where or how fast, not what: they may change when a run goes on."""


@dataclass(kw_only=True)
class TrainOptions:
    """Options that every method has."""

    data: str | tuple[str, ...] = field(default="", metadata=RUNTIME)
    """Images: one or several of: a folder, image files, a list (.txt, .csv), an archive (.zip, .tar); or FILE.npy,
    FILE.npz, digits, mnist:DIR, cifar10:DIR or hf:NAME."""
    out: str | None = field(default=None, metadata=RUNTIME)
    """Run folder; default runs/METHOD-DATA."""
    preset: str = "auto"
    """Named set of defaults, chosen from the images where "auto"; flags win over it."""
    seed: int = 0
    """Seed of weights, order and augmentation."""
    epochs: int = 100
    """Passes over the images; 0 trains nothing and keeps the weights of --init, or those of an untrained network."""
    budget: str | None = None
    """Time for everything, such as 20m or 1h30m: as much is learned as lets training, features and page end in it."""
    schedule: str | None = None
    """Progress by step, as the clock found it in a run with --budget; config.toml has it, so that the run can be
    repeated. Default: all steps go equally far."""
    max_steps: int | None = None
    """Stop after this many optimiser steps; the schedule ends there too."""
    batch_size: int = 512
    """Images per optimiser step, over all processes."""
    micro_batch: str = "auto"
    """Images whose graph is held at once; the loss still sees the whole batch. auto: as many as fit in memory."""
    memory: str | None = field(default=None, metadata=RUNTIME)
    """What --micro-batch auto may use, such as 4GB; default: most of what is free."""
    image_size: int | None = None
    """Side of the square the network sees, pixels; default: the side of small square images, else 64."""
    view_scale: float = 1.0
    """Side of the views that are learned from, as a share of --image-size; smaller ones train faster."""
    encoder: str = "convnet"
    """Network: convnet, alexnet, resnet18, resnet34, resnet50, timm:NAME or torchvision:NAME."""
    width: int = 32
    """Channels of the first stage of convnet and of alexnet for small images (a resnet has 64)."""
    stem: Literal["auto", "small", "large"] = "auto"
    """First layers: small for images up to 64 px, else large; auto chooses by image size."""
    norm: Literal["batch", "group"] = "batch"
    """Normalisation; group does not depend on who shares the batch."""
    sync_norm: bool = False
    """Normalise by the batch of all processes, where there are several; costs an exchange a layer."""
    init: str | None = None
    """Weights to start from: an earlier run's folder, a .safetensors, .pt or .pth file, or timm or torchvision."""
    normalize: Literal["auto", "data", "imagenet", "weights"] = "auto"
    """Mean and deviation of the input: of the data, of ImageNet, or those that --init was trained with; auto:
    weights where they say it, imagenet with a file that does not, else data."""
    augment: str = "simclr-small"
    """Recipe of random views: simclr, simclr-small, simclr-light, crop-flip, crop, digits, own (the method's), a
    function of yours (FILE.py:FUNCTION), or auto: short trainings tell."""
    augment_by: str | None = field(default=None, metadata=RUNTIME)
    """CSV file (path,label) of a few labels for --augment auto to choose by; default: it chooses without labels."""
    crop_min: float | None = None
    """Smallest crop, as a fraction of the image's area; default: the augmentation's."""
    optimizer: Literal["sgd", "lars", "adamw"] = "sgd"
    """Optimiser; sgd has Nesterov momentum."""
    lr: float | None = None
    """Learning rate before scaling with the batch (--lr-scaling); default: 0.25 sgd, 1.0 lars, 0.001 adamw."""
    lr_scaling: Literal["linear", "sqrt", "none"] = "linear"
    """linear: lr * batch / 256; sqrt: lr * sqrt(batch); none: lr."""
    momentum: float = 0.9
    """Momentum of sgd and lars."""
    weight_decay: float = 1e-4
    """Weight decay of matrices and kernels; biases and normalisation parameters have none."""
    warmup: float = 10.0
    """Epochs of linear warm-up, at most a tenth of the run; then the rate falls as a cosine."""
    precision: Literal["auto", "bf16", "float32", "float64"] = "auto"
    """Arithmetic of the network; auto: bf16 where the machine computes in it, else float32."""
    device: str = field(default="auto", metadata=RUNTIME)
    """cpu, cuda, mps or auto."""
    threads: int | None = field(default=None, metadata=RUNTIME)
    """CPU threads; default: all cores, from Python as many as PyTorch is set to. Bit-for-bit repeats need the same
    number."""
    check_every: int = 0
    """Epochs between looks at what is learned (health, kNN); 0: about ten looks in a run."""
    snapshots: bool = field(default=True, metadata=RUNTIME)
    """Keep features of up to 5,000 images at each look, and thumbnails, for the page."""
    report: bool = field(default=True, metadata=RUNTIME)
    """Write the page, report.html, at the end; lookalike report RUN writes it later."""
    checkpoint_minutes: float = field(default=2.0, metadata=RUNTIME)
    """Minutes between checkpoints inside an epoch; every epoch ends with one anyway."""
    download: bool = field(default=False, metadata=RUNTIME)
    """Fetch mnist: or cifar10: first, where the files are not there."""

    log: str | None = field(default=None, metadata=RUNTIME)
    """Send the figures of the training to tensorboard, wandb or both (tensorboard,wandb) as well; default: neither."""
    store: bool = field(default=True, metadata=RUNTIME)
    """Keep decoded images in a store on the disk, which the next run finds again; else they are decoded each time."""
    cache: str | None = field(default=None, metadata=RUNTIME)
    """Folder of stores; default: $XDG_CACHE_HOME/lookalike, or ~/.cache/lookalike."""
    store_limit: str | None = field(default=None, metadata=RUNTIME)
    """What a store may take on the disk, such as 50GB; default: half of what is free."""
    skip_bad: bool = field(default=False, metadata=RUNTIME)
    """Go on where more than a fifth of the images cannot be read; what was passed over is listed in skipped.csv."""

    def __post_init__(self) -> None:
        self.data = places(self.data)

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        yield from at_least(self, 0, "epochs")
        yield from at_least(self, 1, "max_steps", "image_size", "width", "threads")
        yield from at_least(self, 2, "batch_size")
        yield from at_least(self, 0, "seed", "weight_decay", "momentum", "warmup", "check_every", "checkpoint_minutes")
        if self.micro_batch != "auto":
            if not str(self.micro_batch).isdecimal() or int(self.micro_batch) < 1:
                yield f"--micro-batch must be auto or a positive integer, got {self.micro_batch!r}"
            elif int(self.micro_batch) > self.batch_size:
                yield f"--micro-batch {self.micro_batch} is more than --batch-size {self.batch_size}"
        yield from sizes(self, "memory", "store_limit")
        if self.budget is not None:
            try:
                parse_duration(self.budget)
            except ValueError as error:
                yield f"--budget {error}"
        for name in log_names(self.log):
            if name not in LOGGERS:
                yield f"unknown --log {name!r}: {did_you_mean(name, LOGGERS)}"
        if self.normalize == "weights" and self.init is None:
            yield "--normalize weights needs --init, whose weights they are"
        if self.lr is not None and not self.lr > 0:
            yield f"--lr must be positive, got {self.lr}"
        if self.momentum >= 1:
            yield f"--momentum must be below 1, got {self.momentum}"
        if not 0 < self.view_scale <= 1:
            yield f"--view-scale must be in (0, 1], got {self.view_scale}"
        if self.crop_min is not None and not 0 < self.crop_min <= 1:
            yield f"--crop-min must be in (0, 1], got {self.crop_min}"

    def data_problems(self, n: int, distinct: Callable[[], int]) -> Iterator[str]:
        """Every value that does not go with n training images, of which `distinct()` differ."""
        yield from ()


def log_names(text: str | None) -> list[str]:
    """The names in a --log, each once."""
    return list(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def places(data: str | Iterable[str]) -> str | tuple[str, ...]:
    """DATA in its plain form: one place is a string, several are a tuple of them."""
    if isinstance(data, str):
        return data
    several = tuple(map(str, data))
    return several if len(several) > 1 else "".join(several)


def spoken(data: str | Sequence[str]) -> str:
    """DATA in a sentence."""
    if isinstance(data, str) or len(data) == 1:
        return data if isinstance(data, str) else data[0]
    if len(data) > _MOST_SPOKEN:
        return f"{data[0]} and {counted(len(data) - 1, 'other place')}"
    return ", ".join(data[:-1]) + " and " + data[-1] if data else ""


def short(data: str | Sequence[str]) -> str:
    """DATA in a sentence, without the folders that the places lie in."""
    return spoken([Path(place).name or place for place in ([data] if isinstance(data, str) else data)])


def current_name(name: str) -> str:
    """The name of an option today: `preset` of `recipe`."""
    return RENAMED.get(name, name)


def flag(name: str) -> str:
    """The flag of a field: `batch_size` is `--batch-size`."""
    return "--" + name.replace("_", "-")


def at_least(options: object, low: float, *names: str) -> Iterator[str]:
    """A complaint for each named field that is below `low` (None passes)."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not value >= low:
            yield f"{flag(name)} must be at least {low}, got {value}"


def sizes(options: object, *names: str) -> Iterator[str]:
    """A complaint for each named field that is no size in bytes (None passes)."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not _MEMORY.fullmatch(value):
            yield f"{flag(name)} must be a size such as 4GB or 500MB, got {value!r}"


def raise_problems(problems: Iterable[str]) -> None:
    """Report all problems at once, where there are any."""
    listed = list(problems)
    if listed:
        raise ConfigurationError(listed)


def unknown_keys(table: Iterable[str], options: type, where: str) -> Iterator[str]:
    """A complaint for each key that is no field of `options`."""
    valid = [f.name for f in dataclasses.fields(options)]
    for key in table:
        if current_name(key.replace("-", "_")) not in valid:
            yield f"unknown key {key!r} in {where}: {did_you_mean(key.replace('-', '_'), valid)}"


def lasting(options: TrainOptions) -> dict[str, object]:
    """The options that decide the result: all but those marked as runtime."""
    return {
        f.name: getattr(options, f.name) for f in dataclasses.fields(options) if not f.metadata.get("runtime", False)
    }


def built(kind: Callable[..., T], values: Mapping[str, object]) -> T:
    """A dataclass of options from values by name, whose types nobody knows before the program runs.

    Raises:
        TypeError: a name is none of its fields.
    """
    return kind(**values)


def changed_options(options: O, values: Mapping[str, object]) -> O:
    """The same options with other values for some fields.

    Raises:
        TypeError: a name is none of the fields.
    """
    replace: Callable[..., O] = dataclasses.replace
    return replace(options, **values)
