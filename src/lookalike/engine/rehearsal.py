"""Training on trial: a trainer of copies that says nothing and writes nothing."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from lookalike.core.options import TrainOptions
from lookalike.core.progress import phase
from lookalike.data.base import Images
from lookalike.engine.backbone import Backbone
from lookalike.engine.journal import Quiet
from lookalike.engine.loop import Trainer
from lookalike.methods.base import Method
from lookalike.runs.folder import RunFolder


class Rehearsal(Trainer):
    """Steps of training that leave the method, its encoder and the run folder as they are."""

    def __init__(self, method: Method, backbone: Backbone, options: TrainOptions, images: Images, rows: Tensor) -> None:
        twin = copy.deepcopy(method)
        options = dataclasses.replace(options, snapshots=False)
        nowhere = RunFolder(Path("rehearsal"))  # a checkpoint is never due
        super().__init__(twin, dataclasses.replace(backbone, encoder=twin.encoder), options, images, rows, nowhere)
        self.journal = Quiet()
        self.method.train()
        self.chunk = self.chunked()

    def plan_epoch(self, epoch: int) -> None:
        """Ask the method for the plan of an epoch."""
        self.plan = self._plan(epoch)

    def steps(self, count: int) -> None:
        """So many steps of the plan under way, over again where it has fewer."""
        with phase("measuring the pace", count) as p:
            for k in p.over(range(count)):
                self._step(0, k % self.batches)
            self._settle()

    def unseen(self, between: Callable[[], None] = lambda: None) -> None:
        """The whole training that the options ask for, without a look; `between` is called after each step."""
        with phase("training on trial", self.total) as p:
            while self.step < self.total:
                epoch = self.step // self.batches
                self.plan_epoch(epoch)
                for k in range(min(self.batches, self.total - self.step)):
                    self._step(epoch, k)
                    between()
                    p.step()
            self._settle()
