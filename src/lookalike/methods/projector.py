"""The projection head of SimCLR and DeepCluster-v2: its options, and the head they describe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from lookalike.core.options import TrainOptions, at_least
from lookalike.encoders.heads import projection_head


@dataclass(kw_only=True)
class ProjectorOptions(TrainOptions):
    """Options of a method whose projections are made by a perceptron on the encoder."""

    head_depth: int = 2
    """Linear layers of the projection head."""
    head_width: int | None = None
    """Width of the head's hidden layers; default: the encoder's output."""
    head_size: int = 128
    """Size of a projection."""
    head_norm: bool = True
    """BatchNorm in the head's hidden layers."""

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        yield from at_least(self, 1, "head_depth", "head_width", "head_size")


def projector(encoder: nn.Module, options: ProjectorOptions) -> nn.Sequential:
    """The head [R, D] -> [R, P] that the options describe; a batch-independent norm leaves BatchNorm out."""
    return projection_head(
        encoder.out_features,  # type: ignore[arg-type]  # an int on every encoder
        depth=options.head_depth,
        width=options.head_width,
        out_features=options.head_size,
        norm=options.head_norm and options.norm == "batch",
        seed=options.seed,
    )
