"""Short trainings that augmentations of views are compared by, and the deadline that they keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.augment.recipes import build_augmentation
from lookalike.core import rng
from lookalike.core.budget import Clock, now
from lookalike.core.errors import Interrupted
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images
from lookalike.engine.evaluator import Features
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.trial_run import TrialRun
from lookalike.engine.views import view_of
from lookalike.evaluate.knn import K, vote
from lookalike.methods.find import find_method
from lookalike.methods.roles import DEFAULT
from lookalike.neighbors.exact import own_ranks

SIDE = 32
"""Pixels of the copies: what colours and orientations mean shows at this size, at a fraction of the work."""

BATCH = 128
"""Images of a batch, at the most."""

_MOST = 8192  # training images that are looked at
_GALLERY = 1024  # among which a view looks for its own image
_RIDGE = 0.1  # of the probe, beside the mean of the variances
_BLOCK = 256  # images between two looks at the clock

FeatureExtractors = Callable[[TrainOptions, Images], FeatureExtractor]
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


@dataclass(frozen=True)
class Result:
    """What features came to in an exam."""

    far: dict[str, float]
    """Augmentation of views -> `distance_to_own` of such views."""
    turned: float
    """`tells_turns` of the features, where it was asked for."""
    knn: float | None
    """kNN accuracy of each image by the others, where labels are known; nothing is chosen by it."""


class Exam:
    """Images, and views by several augmentations that have to find their own: the same for all networks compared."""

    def __init__(
        self,
        copies: Images,
        augmentations: Iterable[str],
        options: TrainOptions,
        deadline: Deadline,
        labels: Tensor | None,
    ) -> None:
        """`labels` (int64 [N], -1 where there is none) are those of `copies`.

        Raises:
            TimeUp, Interrupted: before the views are made.
        """
        self.deadline = deadline
        rows = copies.training
        chosen = rows[rng.permutation(options.seed, "look/gallery", 0, len(rows))[:_GALLERY]]
        self.gallery = copies.center_crops[chosen]
        self.turns = [torch.rot90(self.gallery, quarters, (2, 3)).contiguous() for quarters in range(4)]
        self.labels = None if labels is None else labels[chosen]
        self.views: dict[str, Tensor] = {}
        for name in augmentations:
            augmentation = build_augmentation(name, copies.shape[1], options.crop_min, colour=copies.colour)
            parts = []
            for part in chosen.split(_BLOCK):
                deadline.check()
                parts.append(view_of(copies, augmentation, part, seed=options.seed, epoch=-1, view=0))
            self.views[name] = torch.cat(parts)

    def take(self, features: Features, augmentations: Iterable[str], turns: bool = False) -> Result:
        """Examine features by the views of some of the augmentations, and by `turns` of the images.

        Raises:
            TimeUp, Interrupted: before all are computed.
        """
        image_ND = self._features_of(features, self.gallery)
        far = {name: distance_to_own(image_ND, self._features_of(features, self.views[name])) for name in augmentations}
        turned = math.nan
        if turns:
            turned = tells_turns(
                torch.stack([image_ND, *(self._features_of(features, turn) for turn in self.turns[1:])])
            )
        return Result(far, turned, None if self.labels is None else knn_among(image_ND, self.labels))

    def _features_of(self, features: Features, images_NCHW: Tensor) -> Tensor:
        parts = []
        for part in images_NCHW.split(_BLOCK):
            self.deadline.check()
            parts.append(features(part))
        return torch.cat(parts)


def distance_to_own(images_ND: Tensor, views_ND: Tensor) -> float:
    """How far a view is from its own image: the mean of log2(rank) / log2(N), its rank by cosine being 1 to N.

    0 is its own image first, always; features that tell nothing are near 1. The share of first ranks says less: of what
    is learned early, most moves ranks from hundreds to tens.

    Args:
        images_ND: features of N images.
        views_ND: row n is of a view of the image in row n.
    """
    rank_N, _ = own_ranks(images_ND, views_ND)
    return float(rank_N.double().log2().mean()) / math.log2(max(2, len(images_ND)))


def tells_turns(x_QND: Tensor) -> float:
    """Share of images of which a linear probe tells by how many quarters they were turned; 0.25 is chance.

    The probe learns from the even rows and is asked about the odd ones (SelfAugment: Reed et al. 2021).

    Args:
        x_QND: features of N images turned by Q = 4 numbers of quarters.
    """
    x = x_QND.double()
    learn, asked = x[:, ::2].flatten(0, 1), x[:, 1::2].flatten(0, 1)
    mean, spread = learn.mean(0), learn.std(0).clamp_min(1e-6)
    learn, asked = (learn - mean) / spread, (asked - mean) / spread
    y_L, y_A = (torch.arange(4).repeat_interleave(len(part) // 4) for part in (learn, asked))
    gram = learn.T @ learn / len(learn)
    gram.diagonal().add_(_RIDGE * gram.diagonal().mean().clamp_min(1e-6))
    weights = torch.linalg.solve(gram, learn.T @ (F.one_hot(y_L, 4).double() - 0.25) / len(learn))
    return float(((asked @ weights).argmax(1) == y_A).double().mean())


def knn_among(x_ND: Tensor, labels_N: Tensor) -> float | None:
    """kNN accuracy of every labelled row by all others; None where there are not two classes.

    Args:
        x_ND: features.
        labels_N: int64, -1 where a row has none.
    """
    labelled = labels_N >= 0
    labels = labels_N[labelled]
    if len(labels.unique()) < 2:
        return None
    unit = F.normalize(x_ND[labelled].float(), dim=1)
    similarity = unit @ unit.T
    similarity.fill_diagonal_(-2.0)
    near = similarity.topk(min(K, len(labels) - 1), 1)
    return float((vote((near.values, near.indices), labels) == labels).double().mean())


def small_copies(images: Images, rows: Tensor, seed: int, needed: list[int], deadline: Deadline) -> Images:
    """Center crops of at most `SIDE` pixels, without labels: the needed rows, then a sample of the training rows.

    Raises:
        TimeUp, Interrupted: before all are made.
    """
    sample = rows[rng.permutation(seed, "views/sample", 0, len(rows))[:_MOST]]
    wanted = torch.tensor(needed, dtype=torch.int64)
    chosen = torch.cat([wanted, sample[~torch.isin(sample, wanted)]])
    parts = []
    for part in chosen.split(_BLOCK):
        deadline.check()
        parts.append(_shrunk(images.center_crops[part]))
    paths = tuple(str(row) for row in chosen.tolist())
    return Images(torch.cat(parts), paths, name="copies", colour=images.colour)


def _shrunk(pixels_BCHW: Tensor) -> Tensor:
    if pixels_BCHW.shape[-1] <= SIDE:
        return pixels_BCHW
    small = F.interpolate(pixels_BCHW.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8)


def trained(
    name: str, steps: int, options: TrainOptions, copies: Images, backbone_for: FeatureExtractors, deadline: Deadline
) -> TrialRun:
    """A small network trained with one augmentation for so many steps.

    Raises:
        TimeUp, Interrupted: before the last step.
    """
    trainer = trial_run(name, steps, options, copies, backbone_for)
    trainer.run_silently(deadline.check)
    return trainer


def trial_run(
    name: str, steps: int, options: TrainOptions, copies: Images, backbone_for: FeatureExtractors
) -> TrialRun:
    """The same before its first step."""
    kind = find_method(DEFAULT)
    batch = min(BATCH, len(copies) // 4)
    trial_options = kind.Options(
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        batch_size=batch,
        epochs=-(-steps // (len(copies) // batch)),
        max_steps=steps,
        image_size=copies.shape[1],
        width=8,
        augment=name,
        crop_min=options.crop_min,
        lr=0.35,
        warmup=0.5,
        precision=options.precision,
        check_every=1,
        head_width=256,
    )
    backbone = backbone_for(trial_options, copies)
    method = kind(backbone.encoder, trial_options, len(copies)).to(backbone.device)
    method = method.double() if trial_options.precision == "float64" else method
    return TrialRun(method, backbone, trial_options, copies, copies.training)
