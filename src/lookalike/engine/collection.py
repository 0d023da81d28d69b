"""The training images as a method sees them when it plans: numbers of rows, outputs, rarely labels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from lookalike.core.machine import free_bytes
from lookalike.core.progress import phase
from lookalike.engine.feature_extractor import FeatureExtractor, on_cpu
from lookalike.engine.shared_norm import unshared
from lookalike.engine.views import Views
from lookalike.methods.base import Method

_ROOM = 1 / 8  # share of a GPU's free memory that outputs may take; whitening makes a few copies of them


class TrainingImages:
    """What `methods.base.Collection` asks for. `rows` are those of the training images in the data set."""

    def __init__(
        self, method: Method, backbone: FeatureExtractor, views: Views, rows: Tensor, labels_N: Tensor | None
    ) -> None:
        """`labels_N` belong to `rows`; they are kept only for a method that needs them."""
        self.method, self.backbone, self.views, self.rows = method, backbone, views, rows
        self.labels_N = labels_N if method.needs_labels else None

    @property
    def n(self) -> int:
        """The number of training images."""
        return len(self.rows)

    def outputs(self, forward: Callable[[Tensor], Tensor]) -> Tensor:
        """`forward` of this process's own images, float32 [N, P]: in their order, un-augmented, eval mode.

        On the training device where they take little of its memory, so that what clusters them does so there.
        """
        center_crops = self.views.images.center_crops
        return self._outputs(forward, lambda rows: self.backbone.preprocess(center_crops[rows]), False)

    def view_outputs(self, forward: Callable[[Tensor], Tensor], epoch: int, view: int) -> Tensor:
        """`forward` of one view of each image, float32 [N, P]: train mode, no gradient."""
        return self._outputs(forward, lambda rows: self.views.one(epoch, rows, view), True)

    @torch.no_grad()
    def _outputs(self, forward: Callable[[Tensor], Tensor], images: Callable[[Tensor], Tensor], train: bool) -> Tensor:
        was_training = self.method.training
        self.method.train(train)
        try:
            with unshared(self.method):
                local_blocks = list(self.method.comm.local_blocks(self.n))
                with phase(
                    "computing outputs of the training images", sum(b.stop - b.start for b in local_blocks)
                ) as p:

                    def outputs(block: slice) -> Tensor:
                        z_BP = self.backbone.compute(forward, images(self.rows[block])).float()
                        p.step(len(z_BP))
                        return z_BP

                    return _joined(map(outputs, local_blocks), self.n)
        finally:
            self.method.train(was_training)


def _joined(parts: Iterable[Tensor], n: int) -> Tensor:
    """Blocks of n rows as one tensor: where they were computed if there is ample room, else on the CPU."""
    parts = iter(parts)
    first = next(parts)
    rest = itertools.chain([first], parts)
    on_device = first.device.type != "cpu" and n * first[0].numel() * first.element_size() < _ROOM * free_bytes(
        first.device
    )
    return torch.cat(list(rest) if on_device else on_cpu(rest))
