"""The training loop: epochs of plans, batches of views, steps at the cut.

Everything random is a function of (seed, epoch, image, view), so the state of a run is its weights, its optimiser and
where it stands: that is what `state` gives for a checkpoint, and going on from it gives the same bits as never having
stopped. Whoever records, looks, saves or stops is an observer (`events.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from torch import Tensor

from lookalike.core.errors import PeerError
from lookalike.core.options import TrainOptions
from lookalike.core.plan import Plan
from lookalike.core.record_types import Record
from lookalike.data.base import Images
from lookalike.engine.checkpoint import learned_state, load_learned
from lookalike.engine.collection import TrainingImages
from lookalike.engine.events import EpochEnd, NotFinite, Observer, PlanMade, StepEnd, TrainStart
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.gradients import Gradients
from lookalike.engine.losses import Losses
from lookalike.engine.pacing import Evenly, pacing_of
from lookalike.engine.step import average_statistics
from lookalike.engine.views import Views
from lookalike.methods.base import Method, Step
from lookalike.methods.checks import checked_plan
from lookalike.optim.groups import build_optimizer, forget, make_step, set_rate
from lookalike.optim.schedules import scaled_lr

_SMOOTH = 0.05  # weight of the newest step in the speed that observers are told


class Trainer:
    """Trains one method on one data set."""

    def __init__(
        self,
        method: Method,
        backbone: FeatureExtractor,
        options: TrainOptions,
        images: Images,
        rows: Tensor,
        pacing: Evenly | None = None,
    ) -> None:
        """`rows` of `images` are trained on, by the processes `method.comm`; `pacing` is that of the options."""
        assert options.lr is not None  # resolved before
        self.method, self.backbone, self.options = method, backbone, options
        self.comm, self.rows, self.size = method.comm, rows, options.batch_size
        self.batches = len(rows) // self.size
        self.pacing = pacing or pacing_of(options, len(rows), self.batches)
        self.views = Views(method, backbone, options, images)
        labels_N = None if images.labels is None else images.labels[rows]
        self.data = TrainingImages(method, backbone, self.views, rows, labels_N)
        self.gradients = Gradients(method, backbone, self.views, rows, self.size // self.comm.size)
        self.peak = scaled_lr(options.lr, self.size, options.lr_scaling)
        self.optimizer = build_optimizer(
            method, options.optimizer, self.peak, options.momentum, options.weight_decay, method.param_groups()
        )
        self.losses = Losses(self.comm)
        self.observers: Sequence[Observer] = ()
        self.step = 0  # steps of the optimiser that are made
        self.plan: Plan | None = None  # of the epoch under way
        self.ended = False  # early, as an observer asked
        self.seconds = self.plan_seconds = self.speed = 0.0  # of training, over all starts; of the last plan; images/s

    def fit(self, resumed: bool = False) -> None:
        """Train to the end, `resumed` from where `load` has put it. Interrupted: an observer stopped it at a step."""
        self.method.train()
        if not resumed and self.pacing.total:
            self.gradients.measure(self.options)
        with ExitStack() as observed:
            start = TrainStart(self.step, self.pacing.total, self.gradients.chunk, resumed)
            for observer in self.observers:
                observed.enter_context(observer.during(start))
            self.gradients.join(self.options.sync_norm)
            self.pacing.start(self.step, self.seconds)
            while self.step < self.pacing.total and not self.ended:
                epoch, first = divmod(self.step, self.batches)
                if self.plan is None or first == 0:
                    self.plan = self._plan(epoch)
                batches, plan, begun = range(first, self.batches), self.plan, time.monotonic()
                self.views.expect(self.rows[plan.batch(k, self.size, self.comm)] for k in batches)
                for k in batches:
                    self._step(epoch, k)
                    ahead = self.plan_seconds if k + 1 == self.batches else 0.0
                    self.pacing.keep(self.step, ahead, self.comm)
                    last = k + 1 == self.batches or self.step >= self.pacing.total
                    self.ended = self._tell_step(epoch, last)
                    if last or self.ended:
                        break
                self._check(self.losses.read())
                made = self.step - epoch * self.batches - first
                rate = made * self.size / max(1e-9, time.monotonic() - begun)
                self.ended = self._tell_epoch(epoch, rate) or self.ended
            self.plan = None

    def _plan(self, epoch: int) -> Plan:
        """The method's plan of an epoch; its time is training time."""
        begun = time.monotonic()
        plan = checked_plan(self.method, self.method.plan(epoch, self.data), self.batches * self.size)
        names = dict(self.method.named_parameters())
        forget(self.optimizer, [names[name] for name in plan.reset_params])
        self.plan_seconds = time.monotonic() - begun
        self.seconds += self.plan_seconds
        self.losses.reset()
        for observer in self.observers:
            observer.on_plan(PlanMade(epoch, self.step, plan))
        return plan

    def _step(self, epoch: int, k: int) -> None:
        """The step of batch k of an epoch."""
        begun = time.monotonic()
        assert self.plan is not None
        local_B = self.plan.batch(k, self.size, self.comm)
        set_rate(self.optimizer, self.pacing.rate(self.step, self.peak), self.peak)
        targets_BH = self.plan.targets_NH[local_B].to(self.backbone.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        step = self.method.step = Step(self.step, self.pacing.total, self.pacing.progress(self.step), epoch)
        loss, outputs = self.gradients.add(epoch, local_B, targets_BH, self._say)
        self._check(self.losses.add(loss))
        self.method.on_gradients(step)
        make_step(self.optimizer, self.step)
        average_statistics(self.method)
        self.method.on_step_end(step.ended(outputs, local_B))
        self.step += 1
        took = time.monotonic() - begun
        self.seconds += took
        self.speed += (self.size / took - self.speed) * (_SMOOTH if self.speed else 1.0)

    def _check(self, bad: float | None) -> None:
        """See that no loss is NaN or infinite; of several processes the first says so."""
        if bad is not None:
            raise NotFinite(bad, self.step, self.pacing.total) if self.comm.first else PeerError

    def _say(self, text: str) -> None:
        for observer in self.observers:
            observer.on_note(text)

    def _tell_step(self, epoch: int, last: bool) -> bool:
        """Tell observers of a step; whether one of them ends the training here."""
        end = StepEnd(**self._moment(epoch, self.speed, last), loss=self.losses.newest)
        return sum(observer.on_step_end(end) for observer in self.observers) > 0  # all of them are told

    def _tell_epoch(self, epoch: int, images_per_s: float) -> bool:
        """Tell observers of the end of an epoch; whether one of them ends the training here."""
        assert self.plan is not None
        targets_NH, early, lr = self.plan.targets_NH, self.ended, self.optimizer.param_groups[0]["lr"]
        if not early:  # else the epoch is gone on with, should the run go on
            self.plan = None
        moment = self._moment(epoch, images_per_s, self.step >= self.pacing.total or early)
        end = EpochEnd(**moment, loss=self.losses.mean, lr=lr, early=early, targets_NH=targets_NH)
        return sum(observer.on_epoch_end(end) for observer in self.observers) > 0

    def _moment(self, epoch: int, images_per_s: float, last: bool) -> Record:
        """What all events say."""
        return {
            "epoch": epoch,
            "step": self.step,
            "total": self.pacing.total,
            "progress": self.pacing.progress(self.step),
            "images_per_s": images_per_s,
            "seconds_left": self.pacing.left(self.step, self.size / max(1e-9, images_per_s)),
            "last": last,
            "state": self.state,
        }

    def state(self) -> Record:
        """What a checkpoint holds of the training; all processes ask for it together, and no loss in it is NaN."""
        self._check(self.losses.read())
        return {
            **learned_state(self.method, self.backbone, self.optimizer),
            "step": self.step,
            "plan": None if self.plan is None else {"order": self.plan.order_M, "targets": self.plan.targets_NH},
            "loss_sum": self.losses.sum,
            "loss_count": self.losses.count,
            "seconds": self.seconds,
            "chunk": self.gradients.chunk,
            "processes": self.comm.size,
            "legs": self.pacing.checkpoint_state(),
        }

    def load(self, state: Record, path: Path) -> None:
        """Go back to a state that was read from `path`; LookalikeError: it is of another architecture."""
        load_learned(state, path, self.method, self.backbone, self.optimizer, len(self.rows))
        self.step, self.seconds = state["step"], state["seconds"]
        self.losses.sum, self.losses.count = state["loss_sum"], state["loss_count"]
        self.plan = None if state["plan"] is None else Plan(state["plan"]["order"], state["plan"]["targets"])
        self.pacing.restore(state["legs"])
        # chunks are those that the run began with, but memory that did for one share need not do for a larger one
        self.gradients.chunk = state["chunk"]
        if state.get("processes", 1) != self.comm.size:
            self.gradients.measure(self.options)
