"""Short trainings that recipes of views are compared by, and the deadline that they keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.augment.recipes import build_recipe
from lookalike.core import registry, rng
from lookalike.core.budget import Clock, now
from lookalike.core.errors import Interrupted
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images
from lookalike.engine.backbone import Backbone
from lookalike.engine.looks import Features
from lookalike.engine.rehearsal import Rehearsal
from lookalike.engine.views import view_of
from lookalike.evaluate.health import GALLERY, retrieval

SIDE = 32
"""Pixels of the copies: what colours and orientations mean shows at this size, at a fraction of the work."""

BATCH = 256
"""Images of a batch, at the most."""

_MOST = 8192  # training images that are looked at
_BLOCK = 256  # images between two looks at the clock

Backbones = Callable[[TrainOptions, Images], Backbone]
"""Makes an untrained backbone for options and images."""


class TimeUp(Exception):
    """The seconds that choosing may take are over."""


def _nobody() -> int | None:
    return None


@dataclass
class Deadline:
    """The seconds that choosing may take, and whoever else may end it; asked between two steps."""

    seconds: float
    clock: Clock = now
    signal: Callable[[], int | None] = _nobody
    """The number of a signal that asked to stop, if any."""
    step: Callable[[], None] = lambda: None
    """Is called after every step of training."""
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock()

    def left(self) -> float:
        """Seconds that are left."""
        return self.begun + self.seconds - self.clock()

    def check(self) -> None:
        """Go on, or not.

        Raises:
            TimeUp: the time is over.
            Interrupted: a signal asked to stop.
        """
        number = self.signal()
        if number is not None:
            raise Interrupted("stopped while choosing views; the same command begins with it again", number)
        if self.left() <= 0:
            raise TimeUp

    def between_steps(self) -> None:
        """`check`, and count a step."""
        self.step()
        self.check()


class Exam:
    """Images that a view has to find its own among: the same for all networks that are compared."""

    def __init__(self, copies: Images, recipe: str, options: TrainOptions, deadline: Deadline) -> None:
        self.deadline = deadline
        rows = copies.training
        chosen = rows[rng.permutation(options.seed, "look/gallery", 0, len(rows))[:GALLERY]]
        views = build_recipe(recipe, copies.shape[1], options.crop_min, colour=copies.colour)
        made = []
        for part in chosen.split(_BLOCK):
            deadline.check()
            made.append(view_of(copies, views, part, seed=options.seed, epoch=-1, view=0))
        self.gallery, self.views = copies.squares[chosen], torch.cat(made)

    def score(self, features: Features) -> float:
        """How often a view finds its own image, in [0, 1].

        Raises:
            TimeUp, Interrupted: before all is computed.
        """
        return retrieval(self._of(features, self.gallery), self._of(features, self.views))[0]

    def _of(self, features: Features, images_NCHW: Tensor) -> Tensor:
        parts = []
        for part in images_NCHW.split(_BLOCK):
            self.deadline.check()
            parts.append(features(part))
        return torch.cat(parts)


def small_copies(images: Images, rows: Tensor, seed: int, needed: list[int], deadline: Deadline) -> Images:
    """Squares of at most `SIDE` pixels, without labels: the needed rows, then a sample of the training rows.

    Raises:
        TimeUp, Interrupted: before all are made.
    """
    sample = rows[rng.permutation(seed, "views/sample", 0, len(rows))[:_MOST]]
    wanted = torch.tensor(needed, dtype=torch.int64)
    chosen = torch.cat([wanted, sample[~torch.isin(sample, wanted)]])
    parts = []
    for part in chosen.split(_BLOCK):
        deadline.check()
        parts.append(_shrunk(images.squares[part]))
    paths = tuple(str(row) for row in chosen.tolist())
    return Images(torch.cat(parts), paths, name="copies", colour=images.colour)


def _shrunk(pixels_BCHW: Tensor) -> Tensor:
    if pixels_BCHW.shape[-1] <= SIDE:
        return pixels_BCHW
    small = F.interpolate(pixels_BCHW.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8)


def trained(
    name: str, steps: int, options: TrainOptions, copies: Images, backbone_for: Backbones, deadline: Deadline
) -> Rehearsal:
    """A small network trained with one recipe for so many steps.

    Raises:
        TimeUp, Interrupted: before the last step.
    """
    trainer = rehearsal(name, steps, options, copies, backbone_for)
    trainer.unseen(deadline.between_steps)
    return trainer


def rehearsal(name: str, steps: int, options: TrainOptions, copies: Images, backbone_for: Backbones) -> Rehearsal:
    """The same before its first step."""
    module = registry.find("methods", "simclr", "method")
    batch = min(BATCH, len(copies) // 4)
    brief = module.Options(
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        batch_size=batch,
        epochs=-(-steps // (len(copies) // batch)),
        max_steps=steps,
        image_size=copies.shape[1],
        width=16 if copies.shape[0] == 1 else 32,
        augment=name,
        crop_min=options.crop_min,
        lr=0.35,
        warmup=0.5,
        precision=options.precision,
        check_every=1,
        head_width=256,
    )
    backbone = backbone_for(brief, copies)
    learner = module.Learner(backbone.encoder, brief, len(copies)).to(backbone.device)
    learner = learner.double() if brief.precision == "float64" else learner
    return Rehearsal(learner, backbone, brief, copies, copies.training)
