"""The phase of a training that trains, keeps the weights, and puts on record how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lookalike.api.build import Built
from lookalike.api.configure import BUDGET
from lookalike.api.evaluating import can_evaluate
from lookalike.api.load import Loaded
from lookalike.api.starting import Job
from lookalike.core.budget import EVALUATION
from lookalike.core.config import Config
from lookalike.core.errors import Interrupted
from lookalike.core.full_disk import unless_full
from lookalike.core.options import TrainOptions
from lookalike.core.progress import tell
from lookalike.core.record_types import Record
from lookalike.data.base import Images
from lookalike.engine.budget import Behind, pacing_in
from lookalike.engine.choose_views import Choice
from lookalike.engine.classifier import save_classifier
from lookalike.engine.disk import save_weights
from lookalike.engine.distributed import peer_errors
from lookalike.engine.loop import Trainer
from lookalike.engine.observers import observe
from lookalike.engine.pacing import CLOCK, repeatable
from lookalike.engine.signals import StopSignals
from lookalike.evaluate.baselines import BASELINES
from lookalike.methods.find import elsewhere
from lookalike.runs.folder import RunFolder


@dataclass(frozen=True)
class Fitted:
    """A trained run."""

    run: RunFolder
    config: Config[TrainOptions]
    """With what the clock has decided in place of the time."""
    built: Built


def fit(
    config: Config[TrainOptions],
    loaded: Loaded,
    built: Built,
    run: RunFolder,
    job: Job,
    resumed: bool = False,
    choice: Choice | None = None,
) -> Fitted:
    """Train to the end, from the checkpoint where `resumed`, and write the weights.

    Raises:
        Interrupted: a signal asked to stop. LookalikeError: the loss became NaN or infinite, or a full disk.
    """
    options, images, comm = config.options, loaded.images, job.comm
    budget = job.budget if options.schedule == CLOCK else None
    behind = _behind(loaded, job)
    pacing = None if budget is None else pacing_in(options, len(loaded.rows), budget, behind)
    trainer = Trainer(built.method, built.backbone, options, loaded.lesson, loaded.rows, pacing)
    if comm.first:
        begun: Record = elsewhere(config.method, type(built.method))
        if loaded.pretrained is not None and not resumed:  # of the file as it was at the first start
            begun["init"] = loaded.pretrained.record()
        run.update("running", {"load": loaded.seconds}, **begun)
    status = "failed"
    try:
        with peer_errors(comm), StopSignals(comm.size > 1) as signals:  # wherever in a training the others are missed
            observers = observe(
                trainer,
                run,
                loaded.lesson,
                built.untrained,
                signals,
                budget=budget,
                behind=behind,
                graceful=job.graceful,
                remarks=_remarks(loaded, built, choice),
            )
            if resumed:
                observers.checkpoint.load(trainer)
            trainer.observers = observers.all
            trainer.fit(resumed)
        if observers.log is not None:
            _keep_weights(run, config, built, images)
            observers.log.logger.flush()
            if budget is not None and not trainer.ended:
                config = config.settled(BUDGET, **vars(repeatable(options, trainer.pacing, trainer.batches)))
                run.update(budget=behind.record())
                run.configure(config.method, config.options, job.command)
        status = "trained"
    except Interrupted:
        status = "interrupted"
        raise
    finally:
        if comm.first:
            ended_at = trainer.step if trainer.ended else None
            count = sum(p.numel() for p in built.backbone.encoder.parameters())
            with unless_full(tell, f"{run.record.name} does not say how the run ended"):
                run.update(status, {"train": trainer.seconds}, parameters=count, ended_at=ended_at)
    return Fitted(run, config, built)


def _behind(loaded: Loaded, job: Job) -> Behind:
    """What comes after the training, of which a budget keeps time back."""
    images = loaded.images
    behind = Behind(len(images), job.tasks - (frozenset() if can_evaluate(images) else {EVALUATION}))
    behind.networks = 2 + len(BASELINES) + (loaded.pretrained is not None)
    if images.evaluation is not None:
        behind.rows = sum(map(len, images.evaluation))
    behind.budget = math.inf if job.budget is None else job.budget.seconds
    return behind


def _remarks(loaded: Loaded, built: Built, choice: Choice | None) -> tuple[str, ...]:
    """What is said as the training begins: of the weights it starts from, and of its views."""
    pretrained = loaded.pretrained
    weights = [] if pretrained is None else [pretrained.words(built.backbone, loaded.images.shape[0])]
    return (*weights, *([] if choice is None else [choice.words()]))


def _keep_weights(run: RunFolder, config: Config[TrainOptions], built: Built, images: Images) -> None:
    """Write the weights, whatever has to go for them."""
    weights = {run.encoder: lambda path: built.backbone.save(path, config.method)}
    if built.method.needs_labels:
        weights[run.classifier] = lambda path: save_classifier(path, built.method, images.classes)
    save_weights(run, weights, tell)
