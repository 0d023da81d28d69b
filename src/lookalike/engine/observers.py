"""Who observes the training of a run: record, lines, looks, collapse, checkpoints, signals, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lookalike.core.budget import Budget
from lookalike.data.base import Images
from lookalike.engine.budget import Behind
from lookalike.engine.collapse import CollapseMonitor
from lookalike.engine.evaluator import Evaluator
from lookalike.engine.events import Observer
from lookalike.engine.extent import Extent
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.judge import Judge
from lookalike.engine.loop import Trainer
from lookalike.engine.messages import Facts
from lookalike.engine.monitor import Monitor
from lookalike.engine.run_log import Lines, RunLog
from lookalike.engine.saving import Checkpoint, StopSignal
from lookalike.engine.signals import StopSignals
from lookalike.engine.snapshots import snapshots
from lookalike.methods.checks import place_of_loss
from lookalike.runs.folder import RunFolder


@dataclass(frozen=True)
class Observers:
    """The observers of a run in one process."""

    all: tuple[Observer, ...]
    checkpoint: Checkpoint
    log: RunLog | None
    """None where another process writes."""


def observe(
    trainer: Trainer,
    run: RunFolder,
    images: Images,
    untrained: FeatureExtractor,
    signals: StopSignals,
    *,
    budget: Budget | None,
    behind: Behind,
    graceful: bool = False,
    remarks: Sequence[str] = (),
) -> Observers:
    """The observers of a training. Of several processes the first one looks, writes and speaks.

    Args:
        trainer: trains; it is told of them by the caller.
        run: its run folder.
        images: the data set, with the labels that are learned from.
        untrained: the network that looks compare with.
        signals: note what asks to stop.
        budget: the time of the clock, where it decides.
        behind: what comes after the training, told how long looks take.
        graceful: SIGINT ends the training with all that belongs to an end.
        remarks: are said as the training begins.
    """
    facts, options = facts_of(trainer, images), trainer.options
    if not trainer.comm.first:
        checkpoint = Checkpoint(run, facts, trainer.comm)
        return Observers((checkpoint, StopSignal(signals, checkpoint, None)), checkpoint, None)
    extent = Extent.from_json(run.status().extent)
    augmentation, length = trainer.views.augmentation, trainer.pacing.length
    log = RunLog(run, facts, remarks)
    evaluator = Evaluator(images, augmentation, options.seed, extent)
    frames = snapshots(options.snapshots, run.snapshots, images, augmentation, options.seed, extent.followed)
    judge = Judge(evaluator, options, trainer.method, run.metrics)
    monitor = Monitor(trainer.backbone, untrained, images, evaluator, judge, frames, log, facts, behind, length, budget)
    labels_N = None if images.labels is None else images.labels[trainer.rows]
    collapse = CollapseMonitor(labels_N, len(trainer.rows), log)
    checkpoint = Checkpoint(run, facts, trainer.comm, (monitor, collapse, behind), budget)
    stop = StopSignal(signals, checkpoint, monitor, graceful)
    return Observers((log, collapse, monitor, Lines(log, monitor, collapse), checkpoint, stop), checkpoint, log)


def facts_of(trainer: Trainer, images: Images) -> Facts:
    """What messages say of a training."""
    options, method = trainer.options, trainer.method
    return Facts(
        options,
        images.shape,
        len(trainer.rows),
        sum(p.numel() for p in trainer.backbone.encoder.parameters()),
        trainer.batches,
        trainer.pacing.timed,
        method.chance_loss(options.batch_size),
        trainer.backbone.device,
        trainer.comm.size,
        place_of_loss(method),
    )
