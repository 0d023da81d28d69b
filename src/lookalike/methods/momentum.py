"""Copies of networks that follow them slowly: the momentum encoder, or target network.

theta_target <- m theta_target + (1 - m) theta        (He et al. 2020, MoCo, equation 2; Grill et al. 2020, BYOL)
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

State = list[Tensor]


class Momentum(nn.Module):
    """Frozen copies of networks, called one after the other; no gradient, no optimiser, no exchange of gradients.

    They are part of a checkpoint, and of a method's train and eval mode. BatchNorm normalises by the batch in training,
    and has running statistics of its own.
    """

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copy.deepcopy(network) for network in networks).requires_grad_(False)
        self._followed = networks  # in a tuple, so that they are no children of this module
        self._tape: deque[tuple[Tensor, list[State]]] | None = None  # calls of the first pass of two
        self._replays = False

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        if self._replays and self._tape is not None:
            x, states = self._tape.popleft()
            _set_generators(states)
            return x
        for network in self.copies:
            x = network(x)
        if self._tape is not None:
            self._tape.append((x, _generators()))
        return x

    @torch.no_grad()
    def update(self, momentum: float) -> None:
        """Move the copies: `momentum` of them stays, the rest comes from the networks."""
        for copied, network in zip(self.copies, self._followed, strict=True):
            for mine, theirs in zip(copied.parameters(), network.parameters(), strict=True):
                mine.lerp_(theirs, 1 - momentum)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep what is returned in here, for `replayed`."""
        self._tape = deque()
        try:
            yield
        except BaseException:
            self._tape = None
            raise

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Return in here, in order, what was returned in `recorded`; nothing is computed."""
        self._replays = True
        try:
            yield
        finally:
            self._replays, self._tape = False, None


def momenta(method: nn.Module) -> list[Momentum]:
    """The `Momentum` copies of a method."""
    return [module for module in method.modules() if isinstance(module, Momentum)]


@contextmanager
def recorded(method: nn.Module) -> Iterator[None]:
    """`Momentum.recorded` of all copies of a method."""
    with ExitStack() as stack:
        for module in momenta(method):
            stack.enter_context(module.recorded())
        yield


@contextmanager
def replayed(method: nn.Module) -> Iterator[None]:
    """`Momentum.replayed` of all copies of a method."""
    with ExitStack() as stack:
        for module in momenta(method):
            stack.enter_context(module.replayed())
        yield


def cosine(start: float, end: float, fraction: float) -> float:
    """From `start` to `end` along half a cosine (Grill et al. 2020, BYOL, section 3.2: the momentum's schedule)."""
    return end - (end - start) * (math.cos(math.pi * fraction) + 1) / 2


def _generators() -> list[State]:
    """The states of PyTorch's generators, so that dropout after a replayed call draws what it drew."""
    states = [torch.get_rng_state()]
    return [states, torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []]


def _set_generators(states: list[State]) -> None:
    torch.set_rng_state(states[0][0])
    if states[1]:
        torch.cuda.set_rng_state_all(states[1])
