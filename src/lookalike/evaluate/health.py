"""Is it learning? Measured without labels.

- retrieval: how often a new view of an image is most similar to that very image among many (cosine
  of centred features). Chance is one in the number of images.
- effective rank: exp of the entropy of the normalised singular values (Roy and Vetterli 2007; RankMe,
  Garrido et al. 2023): how many directions the features use.
- cosine of positives: how similar a view is to its image; near 1 means the views' differences are
  ignored, or, with a low rank, that everything is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.neighbors.exact import own_ranks

_COPY = 0.99  # correlation of pixels from which two images are copies, but for light and compression
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class Health:
    """What was measured on one set of features."""

    retrieval: float
    """Share of views that find their own image, in [0, 1]."""
    effective_rank: float
    positive_cosine: float
    images: int
    """Size of the gallery."""
    dimensions: int


def effective_rank(x_ND: Tensor) -> float:
    """exp(entropy of the singular values of the centred features); 0 where all rows are equal, NaN where
    a feature is not finite.

    Singular values are the roots of the eigenvalues of x^T x or x x^T, whichever is smaller: in float64 that loses
    those below 1e-7 of the largest, which are rounding in float32 features, at a fraction of the time of `svdvals`.
    """
    x = x_ND.double()
    if not x.isfinite().all():
        return math.nan
    centred = x - x.mean(0)
    if float(centred.abs().max()) <= 1e-7 * float(x.abs().max()):
        return 0.0
    gram = centred.T @ centred if centred.shape[0] > centred.shape[1] else centred @ centred.T
    squared = torch.linalg.eigvalsh(gram)
    values = torch.where(squared > len(squared) * _EPS * squared[-1], squared, 0.0).sqrt()
    p = values / values.sum()
    return float(torch.exp(-(p * p.clamp_min(1e-300).log()).sum()))


def measure(images_ND: Tensor, views_ND: Tensor) -> Health:
    """Health of features: row n of `views_ND` is a view of the image in row n of `images_ND`."""
    own_found, positive_cosine = retrieval(images_ND, views_ND)
    return Health(own_found, effective_rank(images_ND), positive_cosine, len(images_ND), images_ND.shape[1])


def retrieval(images_ND: Tensor, views_ND: Tensor) -> tuple[float, float]:
    """How often a view finds its own image, and the mean cosine of the two."""
    rank_N, own_N = own_ranks(images_ND, views_ND)
    return float((rank_N == 1).double().mean()), float(own_N.mean())


def without_copy(pixels_ND: Tensor) -> float:
    """The share of images, in [0, 1], whose pixels correlate by less than 0.99 with those of every other.

    Args:
        pixels_ND: floating; an even image, which has no pattern to compare, is a copy of the other even ones.
    """
    x = pixels_ND.float()
    x = x - x.mean(1, keepdim=True)
    length = x.norm(dim=1, keepdim=True)
    even = length[:, 0] <= 1e-3 * x.shape[1] ** 0.5
    likeness = F.normalize(x, dim=1) @ F.normalize(x, dim=1).T
    likeness[even] = likeness[:, even] = 0.0
    likeness.fill_diagonal_(0.0)
    alone = likeness.amax(1) < _COPY
    return float((alone & ~even).double().mean()) if int(even.sum()) > 1 else float(alone.double().mean())
