"""`--log tensorboard,wandb`: the events of metrics.jsonl, sent on to what others look at trainings with.

Off unless asked for; imported only then. A logger that fails says so once and is left alone: no training stops for it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from lookalike.core.optional import need
from lookalike.core.options import LOGGERS, log_names
from lookalike.runs.folder import RunFolder

_PROJECT = "lookalike"  # of W&B; WANDB_PROJECT wins


class Logger(Protocol):
    """One that takes numbers."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Take the numbers of an event at a step."""

    def close(self) -> None:
        """Nothing more comes."""


class TensorBoard:
    """Writes RUN/tensorboard. What an earlier start wrote after `step` is taken back, as it is written again."""

    def __init__(self, run: RunFolder, step: int) -> None:
        need("tensorboard", LOGGERS["tensorboard"], "--log tensorboard")
        tensorboard = need("torch.utils.tensorboard", LOGGERS["tensorboard"], "--log tensorboard")
        self.writer = tensorboard.SummaryWriter(str(run.path / "tensorboard"), purge_step=step + 1 if step else 0)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class WandB:
    """Sends to Weights & Biases as its own settings say; WANDB_MODE=offline writes files and needs no account.

    A run that goes on is the same run there, and W&B passes over steps that it has.
    """

    def __init__(self, run: RunFolder, step: int) -> None:
        wandb = need("wandb", LOGGERS["wandb"], "--log wandb")
        key = f"{run.path.resolve()} {run.status().started}"
        self.run = wandb.init(
            project=_PROJECT,
            name=run.path.name,
            id=hashlib.sha256(key.encode()).hexdigest()[:16],
            resume="allow",
            dir=str(run.path),
            config=run.settings(),
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()


_KINDS: dict[str, Callable[[RunFolder, int], Logger]] = {"tensorboard": TensorBoard, "wandb": WandB}


class Loggers:
    """Those that the options name. Use as a context manager."""

    def __init__(self, names: str | None, run: RunFolder, step: int, say: Callable[[str], None]) -> None:
        """Events come from `step` on; `say` is told of a logger that fails."""
        self.say = say
        self.open: dict[str, Logger] = {}
        for name in log_names(names):
            with self._left_alone(name):
                self.open[name] = _KINDS[name](run, step)

    def __enter__(self) -> Loggers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, logger in list(self.open.items()):
            with self._left_alone(name):
                logger.close()

    def event(self, kind: str, step: int, values: Mapping[str, object]) -> None:
        """Send the numbers of an event to all."""
        if not self.open:
            return
        numbers = scalars(kind, values)
        for name, logger in list(self.open.items()) if numbers else ():
            with self._left_alone(name):
                logger.log(numbers, step)

    @contextmanager
    def _left_alone(self, name: str) -> Iterator[None]:
        """From then on, if it fails."""
        try:
            yield
        except Exception as error:  # whatever somebody else's package raises, over a network, into a full disk
            self.open.pop(name, None)
            reason = (str(error) or type(error).__name__).splitlines()[0]
            self.say(f"--log {name} failed and is left alone, the training goes on: {reason}")


def need_loggers(names: str | None) -> None:
    """Find out whether the packages are there, before there is a run.

    Raises:
        LookalikeError: one is not; says how to install it.
    """
    for name in log_names(names):
        need(name, LOGGERS[name], f"--log {name}")


def scalars(kind: str, values: Mapping[str, object]) -> dict[str, float]:
    """The finite numbers of an event, named as in `epoch/loss`, `look/network/knn` and `clustering/0/inertia`."""
    inner = {"look": "of", "clustering": "head"}.get(kind, "")
    place = f"{kind}/{values[inner]}" if inner in values else kind
    return {
        f"{place}/{key}": float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and key != inner
    }
