"""The training loop: epochs of plans, batches of views, steps at the cut, checkpoints, looks.

Everything random is a function of (seed, epoch, image, view), so the state of a run is its weights,
its optimiser and where it stands: that is what a checkpoint holds, and going on from it gives the same
bits as never having stopped.
"""

from __future__ import annotations

import math
import signal
import time
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from lookalike.core.budget import Budget, now
from lookalike.core.durations import duration
from lookalike.core.errors import Elsewhere, Interrupted, LookalikeError
from lookalike.core.full_disk import unless_full
from lookalike.core.options import TrainOptions
from lookalike.core.plan import Plan
from lookalike.data.base import Images
from lookalike.encoders.alexnet import Dropout
from lookalike.engine import disk, wording
from lookalike.engine.backbone import Backbone
from lookalike.engine.budget import AIM, LOOKED, LOOKS, Behind
from lookalike.engine.checkpoint import save_checkpoint
from lookalike.engine.collection import TrainingImages
from lookalike.engine.distributed import parallel
from lookalike.engine.extent import USUAL, Extent
from lookalike.engine.gradients import gradients
from lookalike.engine.journal import EARLY, Journal, Quiet
from lookalike.engine.judge import Judge
from lookalike.engine.loggers import Loggers
from lookalike.engine.looks import Look, Looker
from lookalike.engine.memory import chunk_size
from lookalike.engine.pacing import ByClock, Evenly, pacing_of
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.shared_norm import share_norms
from lookalike.engine.signals import StopSignals
from lookalike.engine.snapshots import snapshots
from lookalike.engine.step import average_statistics
from lookalike.engine.training_state import restore, state_of
from lookalike.engine.views import Views
from lookalike.engine.watch import Watch, label_agreement
from lookalike.methods.base import Method, Step
from lookalike.optim.groups import build_optimizer, forget, make_step, set_rate
from lookalike.optim.schedules import scaled_lr

_UNREAD = 16  # losses that may wait on a GPU before they are read and checked
_SETTLED = 0.25  # share of the run before which nobody is warned that it is not learning
_SELDOM = 10.0  # seconds between two lines, and two checkpoints, of short epochs by the clock
_SMOOTH = 0.05  # weight of the newest step in the speed that the live line shows


class Trainer:
    """Trains one method on one data set into one run folder."""

    def __init__(
        self,
        method: Method,
        backbone: Backbone,
        options: TrainOptions,
        images: Images,
        rows: Tensor,
        run: RunFolder,
        untrained: Backbone | None = None,
        budget: Budget | None = None,
        behind: Behind | None = None,
        extent: Extent = USUAL,
    ) -> None:
        """`rows` of `images` are trained on, by the processes `method.ranks`.

        `untrained` is what figures are compared with where the network starts from weights of others. With a `budget`
        the training ends when what is `behind` it still fits into its time; `extent` is that of the looks.
        """
        self.ranks = method.ranks
        self.share = options.batch_size // self.ranks.size  # images of a batch that are this process's
        self.parallel: DistributedDataParallel | None = None
        self.method, self.options, self.run = method, options, run
        self.backbone, self.random_backbone = backbone, untrained or backbone
        self.images, self.rows, self.n = images, rows, len(rows)
        self.views = Views(method, backbone, options, images)
        self.labels_N = None if images.labels is None else images.labels[rows]
        self.data = TrainingImages(method, backbone, self.views, rows, self.labels_N)
        self.batches = self.n // options.batch_size
        self.behind = behind or Behind(len(images), frozenset())
        self.budget = budget
        room, clock = (self._room, budget.clock) if budget else (None, now)
        self.pacing: Evenly = pacing_of(options, self.n, self.batches, room, clock)
        assert options.lr is not None  # resolved before
        self.peak = scaled_lr(options.lr, options.batch_size, options.lr_scaling)
        self.optimizer = build_optimizer(
            method, options.optimizer, self.peak, options.momentum, options.weight_decay, method.param_groups()
        )
        self.looker = Looker(images, self.views.recipe, options.seed, extent)
        self.judge = Judge(self.looker, options, method, run.metrics)
        kept = options.snapshots and self.ranks.first
        self.snapshots = snapshots(kept, run.snapshots, images, self.views.recipe, options.seed, extent.followed)
        self.step = self.saved = 0  # optimiser steps done, and those of the last checkpoint
        self.loss_sum, self.loss_count = 0.0, 0  # of the epoch under way
        self.pending: list[Tensor] = []  # losses not yet read from the device
        self.loss = math.nan  # the newest one read
        self.baselines: dict[str, Any] = {}
        self.plan: Plan | None = None
        self.signals = StopSignals(self.ranks.size > 1)
        self.graceful = False  # whether Ctrl-C ends the training with all that belongs to an end
        self.ended = False  # by Ctrl-C, before its last step
        self.remarks: tuple[str, ...] = ()  # said after the opening
        self.speed = self.plan_seconds = 0.0  # images per second; of the last plan
        self.told_at = self.noted_at = -math.inf  # when the last line of an epoch was printed, the time put on record
        self.seen = self.groups = ""  # what the last look saw and the last clustering gave, for the live line
        self.seconds = self.looked = 0.0  # of training, over all starts of this run; the progress of the last look
        self.watch = Watch()
        self.chunk: int | None = None  # images whose graph is held at once; None: all of a batch

    @property
    def total(self) -> int:
        """Steps of the whole training; where the clock decides, as far as it is known."""
        return self.pacing.total

    def _room(self) -> float:
        """Seconds that the training may still take."""
        assert self.budget is not None
        slowness = self.pacing.slowness() if isinstance(self.pacing, ByClock) else 1.0
        return self.budget.left() - (1 - AIM) * self.budget.seconds - self.behind.seconds(slowness)

    def save(self) -> None:
        """Write the checkpoint; only finite losses get this far. A full disk is told, and ends nothing."""
        self._settle()
        state = state_of(self)
        if self.ranks.first:
            with unless_full(self.journal.say, f"the state after step {self.step:,} is not saved"):
                save_checkpoint(self.run.checkpoint, state)
                self.saved = self.step
            self._note_time()
        self.saved_at = time.monotonic()

    def _note_time(self) -> None:
        """Put on record how much of the budget is used, for a start after this one."""
        self.noted_at = time.monotonic()
        if self.budget is not None:
            with unless_full(lambda _: None, ""):  # it is told where a state is not saved
                self.run.update(used=self.budget.used())

    def fit(self, resumed: bool) -> None:
        """Train to the end, from the checkpoint where `resumed`.

        Raises:
            Interrupted: a signal arrived; the step was finished and the state saved.
            LookalikeError: the loss became NaN or infinite.
        """
        if resumed:
            restore(self)
        self.method.train()
        if not resumed and self.total:
            self.chunk = self.chunked()
        journal = Journal(self.run.metrics, self.step) if self.ranks.first else Quiet()
        log = self.options.log if self.ranks.first else None
        with journal as self.journal, Loggers(log, self.run, self.step, journal.say) as loggers, self.signals:
            self.journal.forward = loggers.event
            self.snapshots.say = journal.say
            for words in (wording.opening(self), *self.remarks):
                self.journal.say(words)
            self.snapshots.begin(self.step)
            if resumed and self.step < self.total:
                self.journal.say(wording.going_on(self))
            elif not resumed:
                self._first_look()
            self._join()
            self.saved_at = time.monotonic()
            if isinstance(self.pacing, ByClock):
                self.pacing.begin(self.step, self.pacing.legs, self.seconds)
            while self.step < self.total and not self.ended:
                self._epoch(self.step // self.batches)
            self.plan = None

    def chunked(self) -> int | None:
        """Images whose graph is held at once; None where the memory does for all of a batch."""
        return chunk_size(self.options, self.method, self.backbone, self.views, self.rows, self.share)

    def _join(self) -> None:
        """From here on the processes exchange gradients, and statistics where that is asked for."""
        if self.ranks.size == 1:
            return
        if self.options.sync_norm:
            share_norms(self.method, self.ranks)
        for dropout in (module for module in self.method.modules() if isinstance(module, Dropout)):
            dropout.stream = self.ranks.rank
        self.parallel = parallel(self.method)

    def _first_look(self) -> None:
        if not self.ranks.first:
            return
        calibrated, begun = self.looker.calibrated(self.random_backbone), time.monotonic()
        untrained = self.looker.once(calibrated.features, self.snapshots.rows)
        self.behind.image = (time.monotonic() - begun) / len(untrained.rows)
        looks = {"untrained": self.looker.look_at(untrained)}
        self.behind.look = time.monotonic() - begun
        looks = {**self.looker.look_at_baselines(), **looks}
        self.baselines = {name: look.event() for name, look in looks.items()}
        for name, event in self.baselines.items():
            self.journal.event("look", 0, epoch=0, of=name, **event)
        self.snapshots.untrained(untrained)
        if self.budget is not None:
            self.behind.measure(untrained, self.images, self.looker)
            self.journal.say(self.behind.words(self.budget))
        del self.random_backbone  # its memory is wanted
        if self.options.init is not None or not self.total:
            self.journal.say(self._look(-1, None)[1])

    def _epoch(self, epoch: int) -> None:
        first = self.step - epoch * self.batches
        if self.plan is None or first == 0:
            self.plan = self._plan(epoch)
            self.loss_sum, self.loss_count = 0.0, 0
        begun, done, size, plan = time.monotonic(), 0, self.options.batch_size, self.plan
        self.views.expect(self.rows[plan.batch(k, size, self.ranks)] for k in range(first, self.batches))
        for k in range(first, self.batches):
            self._step(epoch, k)
            done += 1
            self._keep_pace(k + 1 == self.batches)
            if k + 1 == self.batches or self.step >= self.total:
                break  # what is due now is due at the end of the epoch, which saves as well
            stop, due = self._agreed()
            if stop is not None:
                self._stop(stop)
                break
            if due:
                self.save()
        self._settle()
        self._end_of_epoch(epoch, done * size / max(1e-9, time.monotonic() - begun))
        stop, _ = self._agreed()
        if stop is not None and self.step < self.total and not self.ended:
            looked = self._look_is_due(epoch)
            self._stop(stop)
            if not looked:
                self._look(epoch, self.loss_sum / self.loss_count)

    def _agreed(self) -> tuple[int | None, bool]:
        """A signal that reached any of the processes, and whether the first one's clock says to save."""
        due = time.monotonic() - self.saved_at > 60 * self.options.checkpoint_minutes
        signals, dues = self.ranks.gather(torch.tensor([[self.signals.number or 0, due]])).unbind(1)
        return int(signals.max()) or None, bool(dues[0])

    def _keep_pace(self, ends_epoch: bool) -> None:
        """Ask the first process's clock, where one decides, how far the training is and whether it ends here."""
        if not isinstance(self.pacing, ByClock):
            return
        ahead = self.plan_seconds if ends_epoch else 0.0
        if self.ranks.objects(self.pacing.due(self.step, ahead))[0]:
            decided = self.pacing.decide(self.step, ahead) if self.ranks.first else None
            decision = self.ranks.objects(decided)[0]
            assert decision is not None
            self.pacing.follow(self.step, decision)
            if self.ranks.first and time.monotonic() - self.noted_at > _SELDOM:
                self._note_time()

    def left(self, rate: float) -> float:
        """Seconds of training that are left, at so many images a second where no clock decides."""
        if isinstance(self.pacing, ByClock):
            return max(0.0, self._room())
        return (self.total - self.step) * self.options.batch_size / max(1e-9, rate)

    def _plan(self, epoch: int) -> Plan:
        """The method's plan, what it says put on record; its time is training time."""
        begun = time.monotonic()
        plan = self.method.plan(epoch, self.data)
        names = dict(self.method.named_parameters())
        forget(self.optimizer, [names[name] for name in plan.reset_params])
        self.plan_seconds = time.monotonic() - begun
        self.seconds += self.plan_seconds
        agreements = [label_agreement(plan.targets_NH[:, head], self.labels_N) for head in range(len(plan.metrics))]
        for head, (note, agreement) in enumerate(zip(plan.metrics, agreements, strict=True)):
            # at the step to come: a run that goes on from here plans, and writes this, again
            self.journal.event("clustering", self.step + 1, epoch=epoch + 1, head=head, **note, nmi_labels=agreement)
        self.groups, warning = self.watch.see(plan.metrics, self.n, agreements[0] if agreements else None)
        if warning:
            self.journal.say(warning)
        return plan

    def _step(self, epoch: int, k: int) -> None:
        begun = time.monotonic()
        assert self.plan is not None
        size = self.options.batch_size
        local_B = self.plan.batch(k, size, self.ranks)
        set_rate(self.optimizer, self.pacing.rate(self.step, self.peak), self.peak)
        targets_BH = self.plan.targets_NH[local_B].to(self.backbone.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        step = self.method.step = Step(self.step, self.total, self.pacing.progress(self.step), epoch)
        loss, outputs = gradients(self, epoch, local_B, targets_BH)
        self.pending.append(loss)
        if len(self.pending) >= (_UNREAD if loss.is_cuda else 1):
            self._settle()
        self.method.on_gradients(step)
        make_step(self.optimizer, self.step)
        average_statistics(self.method)
        self.method.on_step_end(step.ended(outputs, local_B))
        self.step += 1
        took = time.monotonic() - begun
        self.seconds += took
        self.speed += (size / took - self.speed) * (_SMOOTH if self.speed else 1.0)
        self.journal.progress(wording.line(self, epoch))

    def _settle(self) -> None:
        """Read the losses that are still on the device; a GPU is only waited for here.

        Raises:
            LookalikeError: one of them is NaN or infinite.
        """
        for value in self.ranks.sum(torch.stack(self.pending)).tolist() if self.pending else ():
            if not math.isfinite(value):
                self._not_finite(value)
            self.loss_sum += value
            self.loss_count += 1
            self.loss = value
        self.pending.clear()

    def _end_of_epoch(self, epoch: int, rate: float) -> None:
        """Record the epoch, look where it is time, save."""
        last = self.step >= self.total or self.ended
        loss = self.loss_sum / max(1, self.loss_count)
        chance = self.method.chance_loss(self.options.batch_size)
        lr = self.optimizer.param_groups[0]["lr"]
        self._event("epoch", epoch=epoch + 1, loss=loss, chance_loss=chance, lr=lr, images_per_s=round(rate, 1))
        words = f"{wording.epoch(self, epoch)}  {rate:,.0f} images/s  loss {loss:.3f}"
        words += f" (chance {chance:.3f})" if chance is not None else ""
        sentence, looks = "", self._look_is_due(epoch)
        if looks:
            look, sentence = self._look(epoch, loss)
            words += f"  own image found {look.health.retrieval:.1%}" + self.seen
        words += self.groups
        # by the clock there may be hundreds of short epochs, which nobody wants to read of or to wait for
        brief = isinstance(self.pacing, ByClock) and not last
        if not (brief and not looks and time.monotonic() - self.told_at < _SELDOM):
            self.journal.epoch(words + ("" if last else f"  {duration(self.left(rate))} left"))
            self.told_at = time.monotonic()
        settled = self.pacing.progress(self.step) > _SETTLED
        if sentence and (last or (self.judge.warns(sentence) and settled)):
            self.journal.say(sentence)
        if not self.ended:  # else it was saved in the middle of the epoch, so that the run can go on from there
            self.plan = None
            if not (brief and time.monotonic() - self.saved_at < _SELDOM):
                self.save()

    def _look_is_due(self, epoch: int) -> bool:
        if not self.ranks.first or self.step >= self.total or self.ended:
            return self.ranks.first
        if not isinstance(self.pacing, ByClock):
            return (epoch + 1) % self.options.check_every == 0
        count = int(min(LOOKS, LOOKED * self.pacing.length() / max(self.behind.look, 1e-3)))
        return int(self.pacing.progress(self.step) * count) > int(self.looked * count)

    def _look(self, epoch: int, loss: float | None) -> tuple[Look, str]:
        """Look at the network, keep a frame; what was seen, and the verdict. Epoch -1 is before the first step."""
        begun, self.looked = time.monotonic(), self.pacing.progress(self.step)
        once = self.looker.once(self.backbone.features, self.snapshots.rows)
        self.behind.image = (time.monotonic() - begun) / len(once.rows)
        look = self.looker.look_at(once)
        chance = self.method.chance_loss(self.options.batch_size)
        sentence = self.judge.verdict(look, self.baselines, loss, chance)
        labels = self.judge.by_labels(look, self.baselines)
        self._event("look", epoch=epoch + 1, of="network", **look.event(), verdict=sentence, by_labels=labels)
        clusters_N = None
        if self.method.finds_clusters and self.plan is not None:
            clusters_N = self.plan.targets_NH[:, 0]
        self.snapshots.take(once, epoch + 1, self.step, clusters_N, self.ended)
        self.behind.look = time.monotonic() - begun
        self.behind.frames += 1
        self.seen = f"  kNN {look.knn:.1%}" if look.knn is not None else ""
        return look, f"{sentence} {labels}".strip()

    def _event(self, kind: str, **values: Any) -> None:
        """Put on record at this step; marked where the training ends early, as a run that goes on drops it."""
        self.journal.event(kind, self.step, **values, **({EARLY: True} if self.ended else {}))

    def _not_finite(self, value: float) -> None:
        if not self.ranks.first:
            raise Elsewhere
        self.journal.event("not finite", self.step, loss=str(value))
        raise LookalikeError(wording.not_finite(self, value))

    def _stop(self, number: int) -> None:
        """Save, and end the training here where that was asked for kindly.

        Raises:
            Interrupted: anything else that asks to stop.
        """
        self.save()
        if not bool(self.ranks.gather(torch.tensor([self.saved == self.step]))[0]):  # the first one writes it
            disk.release(self.run)  # the space of the weights is worth more to a state that holds them
            self.save()
        if self.graceful and number == signal.SIGINT and self.ranks.size == 1:
            self.ended = True
            self.journal.say(wording.ended(self))
            return
        raise Interrupted(wording.stopped(self, number) if self.ranks.first else "", number)
