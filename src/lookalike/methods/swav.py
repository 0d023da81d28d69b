"""SwAV (Caron, Misra, Mairal, Goyal, Bojanowski, Joulin 2020, "Unsupervised learning of visual features by contrasting
cluster assignments").

Each view predicts, from its own projection z, the code q that another view of the image was given: a soft assignment to
prototypes C, found for the whole batch so that prototypes are used equally often. With z and c_k at length 1:

    L(z_t, q_s) = -sum_k q_s^(k) log p_t^(k),   p_t = softmax(z_t . c / tau)                               (equation 2)
    Q = Diag(u) exp(C^T Z / epsilon) Diag(v), rows and columns scaled in turn, as Sinkhorn and Knopp   (equations 3, 5)

Codes are taken of the two large views; multi-crop adds small ones that predict them too (section 3.2). Prototypes are
put back to length 1 after each step and stay as they are in the first epoch (appendix A). Other than in the paper: no
queue of earlier projections, which it uses for batches smaller than there are prototypes.

Where all scores are nearly equal, p and q are uniform and the loss is ln K. To first order a step of descent makes such
scores grow only if those of two views correlate by more than epsilon / tau; else all images stay one. So views that
show nothing of their image keep the others from being learned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookalike.core.arithmetic import outside_autocast
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.options import at_least
from lookalike.encoders.base import seeded
from lookalike.methods.base import Method, Step, View
from lookalike.methods.multi_crop import MultiCropOptions, small_views
from lookalike.methods.projector import projector

_LARGE = 2  # views that codes are taken of


class SwAV(Method):
    """Predict, from each view, to which prototypes another view of the image was assigned."""

    title = "SwAV"
    # little is learned while scores of views correlate by less than epsilon / temperature: 0.5 in the paper, at which
    # the loss on digits stays at ln K, 0.2 here; and a small crop of a written sign shows a piece of a stroke
    presets = {
        "digits": {"epsilon": 0.02, "small_crops": 0},
        "mnist": {"epsilon": 0.02, "small_crops": 0},
        "small-images": {"epsilon": 0.02},
    }
    errors_left = 0.7  # 0.46 of them are left on a machine without bfloat16

    @dataclass(kw_only=True)
    class Options(MultiCropOptions):
        """Predict the prototypes that another view of the image was assigned to, all being used equally often."""

        prototypes: int = 100
        """Prototypes; several times as many as there are kinds, and fewer than images in a batch."""
        temperature: float = 0.1
        """tau of the prediction."""
        epsilon: float = 0.05
        """Softness of the codes."""
        iterations: int = 3
        """Iterations of Sinkhorn and Knopp."""
        freeze_epochs: int = 1
        """Epochs in which the prototypes stay as they are."""
        small_crops: int = 6
        """Further views of each image, smaller in pixels and in area (multi-crop)."""

        def problems(self) -> Iterator[str]:
            yield from super().problems()
            yield from at_least(self, 2, "prototypes")
            yield from at_least(self, 1, "iterations")
            yield from at_least(self, 0, "freeze_epochs")
            for name in ("temperature", "epsilon"):
                if not getattr(self, name) > 0:
                    yield f"--{name} must be positive, got {getattr(self, name)}"

    options: Options

    def setup(self) -> None:
        o = self.options
        self.views = (View(count=_LARGE), *small_views(o))
        self.head = projector(self.encoder, o)
        with seeded(o.seed, "prototypes"):
            self.prototypes = nn.Linear(o.head_size, o.prototypes, bias=False)
        self._to_length_1()

    def forward(self, x_RCHW: Tensor) -> Tensor:
        return self._scores(self.head(self.encoder(x_RCHW)))

    @outside_autocast
    def _scores(self, z_RP: Tensor) -> Tensor:
        """Cosines [R, K] with the prototypes, in float32 at least: a code is made of their differences over epsilon."""
        return self.prototypes(F.normalize(z_RP.to(self.prototypes.weight.dtype), dim=1))

    def loss(self, scores_BVK: Tensor, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
        log_p_BVK = F.log_softmax(scores_BVK / self.options.temperature, dim=-1)
        views, total = scores_BVK.shape[1], scores_BVK.new_zeros(())
        for s in range(_LARGE):
            q_BK = sinkhorn(scores_BVK[:, s].detach(), self.options.epsilon, self.options.iterations, comm)
            others = [t for t in range(views) if t != s]
            total = total - (q_BK[:, None] * log_p_BVK[:, others]).sum(-1).mean()
        return comm.share(total / _LARGE)

    def chance_loss(self, batch_size: int) -> float:
        """ln(prototypes): all of them equally likely."""
        return math.log(self.options.prototypes)

    def on_gradients(self, step: Step) -> None:
        if step.epoch < self.options.freeze_epochs:
            self.prototypes.weight.grad = None  # and the optimiser leaves it alone

    def on_step_end(self, step: Step) -> None:
        self._to_length_1()

    @torch.no_grad()
    def _to_length_1(self) -> None:
        self.prototypes.weight.copy_(F.normalize(self.prototypes.weight, dim=1))


@torch.no_grad()
def sinkhorn(scores_BK: Tensor, epsilon: float, iterations: int, comm: Comm = SINGLE) -> Tensor:
    """Codes [B, K] of this process's images, each adding up to 1, by which all prototypes are used equally often."""
    most_K = comm.all_gather(scores_BK.amax(0, keepdim=True)).amax(0)
    q_BK = ((scores_BK - most_K) / epsilon).exp()  # a factor of a prototype cancels in the first step
    for _ in range(iterations):
        q_BK = q_BK / comm.sum(q_BK.sum(0)).clamp_min(torch.finfo(q_BK.dtype).tiny) / q_BK.shape[1]
        q_BK = q_BK / q_BK.sum(1, keepdim=True)
    return q_BK
