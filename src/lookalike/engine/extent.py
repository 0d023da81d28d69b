"""How many images a look at a network takes: the usual numbers, or fewer where a time is given and images take long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from lookalike.core.durations import timed
from lookalike.data.base import Images
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.runs.values import count

_TIMED = 64  # images
_SHARE = 0.01  # of a budget, that a look may take
_LEAST = 6 * 256  # images that say something


@dataclass(frozen=True)
class Extent:
    """Images at the most."""

    gallery: int = 2048
    """Among which a view has to find its own,"""
    bank: int = 8192
    """which the kNN monitor learns from,"""
    queries: int = 1024
    """which it asks for,"""
    followed: int = 5000
    """whose features are kept at each look, for the page."""

    @classmethod
    def from_json(cls, record: Mapping[str, object] | None) -> Extent:
        """Of the extent in run.json; the usual one where there is none."""
        sizes = {f.name: count((record or {}).get(f.name)) for f in fields(cls)}
        return cls(**{name: size for name, size in sizes.items() if size is not None})

    @classmethod
    def within(cls, images: int) -> Extent:
        """The extent of a look that computes the features of about so many images, views among them."""
        whole, images = USUAL, max(_LEAST, images)
        return cls(
            min(whole.gallery, images // 6),
            min(whole.bank, images // 3),
            min(whole.queries, images // 24),
            min(whole.followed, images // 3),
        )


USUAL = Extent()


def extent_in(seconds: float, backbone: FeatureExtractor, images: Images) -> Extent:
    """The extent of the looks of a run that may take so many seconds in all, by the time that images take now."""
    some = images.center_crops.take(images.training[:_TIMED])
    backbone.features(some)  # memory is allocated, kernels are chosen
    _, taken = timed(lambda: backbone.features(some))
    return Extent.within(int(_SHARE * seconds / max(1e-9, taken / len(some))))
