"""The training loop: epochs of plans, batches of views, steps at the cut, checkpoints, looks.

Everything random is a function of (seed, epoch, image, view), so the state of a run is its weights,
its optimiser and where it stands: that is what a checkpoint holds, and going on from it gives the same
bits as never having stopped.
"""

from __future__ import annotations

import math
import signal
import time
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from lookalike.core.durations import duration
from lookalike.core.errors import Elsewhere, Interrupted, LookalikeError
from lookalike.core.full_disk import unless_full
from lookalike.core.options import TrainOptions
from lookalike.core.plan import Plan
from lookalike.data.base import Images
from lookalike.encoders.alexnet import Dropout
from lookalike.engine import checkpoint, disk, wording
from lookalike.engine.backbone import Backbone
from lookalike.engine.checkpoint import load_checkpoint, own_state, save_checkpoint, whole_state
from lookalike.engine.collection import TrainingImages
from lookalike.engine.distributed import parallel
from lookalike.engine.journal import EARLY, Journal, Quiet
from lookalike.engine.loggers import Loggers
from lookalike.engine.looks import Look, Looker
from lookalike.engine.memory import chunk_size
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.shared_norm import share_norms
from lookalike.engine.signals import StopSignals
from lookalike.engine.snapshots import snapshots
from lookalike.engine.step import average_statistics, forward_backward, network_buffers, put_back
from lookalike.engine.views import Views
from lookalike.engine.watch import Watch, label_agreement
from lookalike.evaluate.health import as_given, verdict
from lookalike.methods.base import Method
from lookalike.optim.groups import build_optimizer, forget, make_step, set_rate
from lookalike.optim.schedules import scaled_lr, warmup_cosine, warmup_steps

_UNREAD = 16  # losses that may wait on a GPU before they are read and checked
_SETTLED = 0.25  # share of the run before which nobody is warned that it is not learning
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
    ) -> None:
        """`rows` of `images` are trained on, by the processes `method.ranks`.

        `untrained` is what figures are compared with where the network starts from weights of others.
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
        self.total = options.epochs * self.batches
        if options.max_steps is not None:
            self.total = min(self.total, options.max_steps)
        assert options.lr is not None  # resolved before
        self.peak = scaled_lr(options.lr, options.batch_size, options.lr_scaling)
        self.warmup = min(warmup_steps(self.n, options.batch_size, options.warmup), self.total // 10)
        self.optimizer = build_optimizer(
            method, options.optimizer, self.peak, options.momentum, options.weight_decay, method.own_settings()
        )
        self.looker = Looker(images, self.views.recipe, options.seed)
        kept = options.snapshots and self.ranks.first
        self.snapshots = snapshots(kept, run.snapshots, images, self.views.recipe, options.seed)
        self.step = self.saved = 0  # optimiser steps done, and those of the last checkpoint
        self.loss_sum, self.loss_count = 0.0, 0  # of the epoch under way
        self.pending: list[Tensor] = []  # losses not yet read from the device
        self.loss = math.nan  # the newest one read
        self.seconds = 0.0  # of training, over all starts of this run
        self.baselines: dict[str, Any] = {}
        self.plan: Plan | None = None
        self.signals = StopSignals(self.ranks.size > 1)
        self.graceful = False  # whether Ctrl-C ends the training with all that belongs to an end
        self.ended = False  # by Ctrl-C, before its last step
        self.remarks: tuple[str, ...] = ()  # said after the opening
        self.speed = 0.0  # images per second
        self.seen = self.groups = ""  # what the last look saw and the last clustering gave, for the live line
        self.watch = Watch()
        self.chunk: int | None = None  # images whose graph is held at once; None: all of a batch

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint holds; all processes ask for it together."""
        plan = None if self.plan is None else {"order": self.plan.order_M, "targets": self.plan.targets_NH}
        return {
            "architecture": self._architecture(),
            "step": self.step,
            "method": whole_state(self.method),
            "optimizer": self.optimizer.state_dict(),
            "plan": plan,
            "loss_sum": self.loss_sum,
            "loss_count": self.loss_count,
            "seconds": self.seconds,
            "baselines": self.baselines,
            "unrelated": self.watch.unrelated,
            "chunk": self.chunk,
            "processes": self.ranks.size,
        }

    def _architecture(self) -> dict[str, Any]:
        return {**asdict(self.backbone.spec), "method": type(self.method).__module__}

    def restore(self) -> None:
        """Go back to the last checkpoint of the run folder.

        Raises:
            LookalikeError: it belongs to another architecture.
        """
        state = load_checkpoint(self.run.checkpoint)
        checkpoint.raise_other_architecture(self.run.checkpoint, state["architecture"], self._architecture())
        try:
            self.method.load_state_dict(own_state(self.method, state["method"], self.n))
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise LookalikeError(f"{self.run.checkpoint} does not fit this network: {error}") from error
        self.step = self.saved = state["step"]
        self.loss_sum, self.loss_count, self.seconds = state["loss_sum"], state["loss_count"], state["seconds"]
        self.baselines, self.watch.unrelated = state["baselines"], state["unrelated"]
        # chunks are those that the run began with, but memory that did for one share need not do for a larger one
        self.chunk = state["chunk"] if state.get("processes", 1) == self.ranks.size else self._chunk()
        if state["plan"] is not None:
            self.plan = Plan(state["plan"]["order"], state["plan"]["targets"])

    def save(self) -> None:
        """Write the checkpoint; only finite losses get this far. A full disk is told, and ends nothing."""
        self._settle()
        state = self.state()
        if self.ranks.first:
            with unless_full(self.journal.say, f"the state after step {self.step:,} is not saved"):
                save_checkpoint(self.run.checkpoint, state)
                self.saved = self.step
        self.saved_at = time.monotonic()

    def fit(self, resumed: bool) -> None:
        """Train to the end, from the checkpoint where `resumed`.

        Raises:
            Interrupted: a signal arrived; the step was finished and the state saved.
            LookalikeError: the loss became NaN or infinite.
        """
        if resumed:
            self.restore()
        self.method.train()
        if not resumed and self.total:
            self.chunk = self._chunk()
        journal = Journal(self.run.metrics, self.step) if self.ranks.first else Quiet()
        log = self.options.log if self.ranks.first else None
        with journal as self.journal, Loggers(log, self.run, self.step, journal.say) as loggers, self.signals:
            self.journal.forward = loggers.event
            self.snapshots.say = journal.say
            for words in (wording.opening(self), *self.remarks):
                self.journal.say(words)
            self.snapshots.begin(self.step)
            if resumed and self.step < self.total:
                where = f"epoch {self.step // self.batches + 1} of {self.options.epochs}"
                self.journal.say(f"going on at {where} (step {self.step:,} of {self.total:,})")
            elif not resumed:
                self._first_look()
            self._join()
            self.saved_at = time.monotonic()
            while self.step < self.total and not self.ended:
                self._epoch(self.step // self.batches)
            self.plan = None

    def _chunk(self) -> int | None:
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
        untrained = self.looker.once(self.looker.calibrated(self.random_backbone).features, self.snapshots.rows)
        looks = {"pixels": self.looker.look_at_pixels(), "untrained": self.looker.look_at(untrained)}
        self.baselines = {name: look.event() for name, look in looks.items()}
        for name, event in self.baselines.items():
            self.journal.event("look", 0, epoch=0, of=name, **event)
        self.snapshots.untrained(untrained)
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
            if k + 1 == self.batches or self.step == self.total:
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

    def _plan(self, epoch: int) -> Plan:
        """The method's plan, what it says put on record; its time is training time."""
        begun = time.monotonic()
        plan = self.method.plan(epoch, self.data)
        names = dict(self.method.named_parameters())
        forget(self.optimizer, [names[name] for name in plan.renewed])
        self.seconds += time.monotonic() - begun
        agreements = [label_agreement(plan.targets_NH[:, head], self.labels_N) for head in range(len(plan.notes))]
        for head, (note, agreement) in enumerate(zip(plan.notes, agreements, strict=True)):
            # at the step to come: a run that goes on from here plans, and writes this, again
            self.journal.event("clustering", self.step + 1, epoch=epoch + 1, head=head, **note, nmi_labels=agreement)
        self.groups, warning = self.watch.see(plan.notes, self.n, agreements[0] if agreements else None)
        if warning:
            self.journal.say(warning)
        return plan

    def _step(self, epoch: int, k: int) -> None:
        begun = time.monotonic()
        assert self.plan is not None
        size = self.options.batch_size
        local_B = self.plan.batch(k, size, self.ranks)
        set_rate(self.optimizer, warmup_cosine(self.step, self.peak, self.warmup, self.total), self.peak)
        targets_BH = self.plan.targets_NH[local_B].to(self.backbone.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        loss, z_BVP = self._gradients(epoch, local_B, targets_BH)
        self.pending.append(loss)
        if len(self.pending) >= (_UNREAD if loss.is_cuda else 1):
            self._settle()
        make_step(self.optimizer, self.step)
        average_statistics(self.method)
        self.method.after_step(z_BVP, local_B)
        self.step += 1
        took = time.monotonic() - begun
        self.seconds += took
        self.speed += (size / took - self.speed) * (_SMOOTH if self.speed else 1.0)
        self.journal.progress(wording.line(self, epoch))

    def _gradients(self, epoch: int, local_B: Tensor, targets_BH: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and projections of a batch, its gradients added up; smaller chunks where a GPU is full.

        Raises:
            LookalikeError: not even the graph of one image fits, or one of several processes finds its GPU full.
        """
        while True:
            before = network_buffers(self.method) if self.backbone.device.startswith("cuda") else []
            try:
                parts = self.views.parts(epoch, self.rows[local_B], self.chunk)
                cached = self.chunk is not None
                return forward_backward(self.method, self.backbone, parts, targets_BH, cached, self.parallel)
            except torch.OutOfMemoryError as error:
                chunk = (self.chunk or self.share) // 2
                if self.ranks.size > 1:  # the others are past the point where they could be told
                    raise LookalikeError(
                        f"the GPU of process {self.ranks.rank} is full; start anew with --micro-batch {max(1, chunk)}"
                    ) from error
                if chunk < 1:
                    raise LookalikeError(
                        "the GPU's memory does not hold one image's graph; free some of it, or choose a smaller "
                        "network or image size (--encoder, --image-size)"
                    ) from error
                self.chunk = chunk
            # outside of the handler, which would keep the failed step's tensors alive
            put_back(before)
            self.optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            self.journal.say(f"the GPU's memory is full: this step again, and all others, in chunks of {self.chunk}")

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
        words = f"epoch {epoch + 1}/{self.options.epochs}  {rate:,.0f} images/s  loss {loss:.3f}"
        words += f" (chance {chance:.3f})" if chance is not None else ""
        sentence = ""
        if self._look_is_due(epoch):
            look, sentence = self._look(epoch, loss)
            words += f"  own image found {look.health.retrieval:.1%}" + self.seen
        words += self.groups
        left = (self.total - self.step) * self.options.batch_size / max(1e-9, rate)
        self.journal.epoch(words + ("" if last else f"  {duration(left)} left"))
        if sentence and (last or (not sentence.startswith("healthy") and self.step > self.total * _SETTLED)):
            self.journal.say(sentence)
        if not self.ended:  # else it was saved in the middle of the epoch, so that the run can go on from there
            self.plan = None
            self.save()

    def _look_is_due(self, epoch: int) -> bool:
        last = self.step >= self.total or self.ended
        return self.ranks.first and (last or (epoch + 1) % self.options.check_every == 0)

    def _look(self, epoch: int, loss: float | None) -> tuple[Look, str]:
        """Look at the network, keep a frame; what was seen, and the verdict. Epoch -1 is before the first step."""
        look = self.looker.look_at(once := self.looker.once(self.backbone.features, self.snapshots.rows))
        sentence = self._verdict(look, loss, self.method.chance_loss(self.options.batch_size))
        self._event("look", epoch=epoch + 1, of="network", **look.event(), verdict=sentence)
        clusters_N = None
        if self.method.finds_clusters and self.plan is not None:
            clusters_N = self.plan.targets_NH[:, 0]
        self.snapshots.take(once, epoch + 1, self.step, clusters_N, self.ended)
        self.seen = f"  kNN {look.knn:.1%}" if look.knn is not None else ""
        return look, sentence

    def _event(self, kind: str, **values: Any) -> None:
        """Put on record at this step; marked where the training ends early, as a run that goes on drops it."""
        self.journal.event(kind, self.step, **values, **({EARLY: True} if self.ended else {}))

    def _verdict(self, look: Look, loss: float | None, chance: float | None) -> str:
        known = {name: Look.health_of(self.baselines[name]) for name in ("untrained", "pixels")}
        if not self.step:
            return as_given(look.health, known["untrained"], known["pixels"])
        return verdict(look.health, known["untrained"], known["pixels"], loss, chance)

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
