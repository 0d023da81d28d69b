"""Training a network, or going on with a run: what is decided before the first step, and what is recorded."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Collection
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lookalike.api.evaluating import can_evaluate
from lookalike.api.initial import find_initial, meant
from lookalike.api.more_labels import with_more
from lookalike.api.networks import calibrated, started, untrained_backbone
from lookalike.api.records import default_run, loading
from lookalike.api.starting import FirstPage, as_before, before_learning, claim, kept
from lookalike.core import machine
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.budget import EVALUATION, Budget, now
from lookalike.core.errors import Interrupted, LookalikeError
from lookalike.core.full_disk import unless_full
from lookalike.core.options import TrainOptions, lasting, raise_problems
from lookalike.core.process import threads_kept
from lookalike.core.progress import tell
from lookalike.core.words import counted
from lookalike.data.base import Images, by_content
from lookalike.data.health import health_of
from lookalike.data.loading import load as load_images
from lookalike.engine.backbone import placed
from lookalike.engine.budget import Behind, raise_too_little
from lookalike.engine.choose_views import allowed_seconds, settle_views
from lookalike.engine.classifier import save_classifier
from lookalike.engine.disk import foreseen, release, reserve, save_weights
from lookalike.engine.distributed import disagreements, join, own_device, partners, processes_problems
from lookalike.engine.extent import Extent
from lookalike.engine.loggers import need_loggers
from lookalike.engine.loop import Trainer
from lookalike.engine.pacing import CLOCK, repeatable
from lookalike.engine.resolve import resolve
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.signals import StopSignals
from lookalike.evaluate.baselines import BASELINES
from lookalike.evaluate.few_labels import drawn_share
from lookalike.methods.base import Method
from lookalike.methods.find import elsewhere, find_method, method_names, name_of


@outside_autocast
@threads_kept()
def train(
    method: str | type[Method],
    options: TrainOptions,
    explicit: set[str] | None = None,
    *,
    images: Images | None = None,
    encoder: nn.Module | None = None,
    command: str = "python",
    budget: Budget | None = None,
    then: Collection[str] = (),
    first_page: FirstPage | None = None,
    graceful: bool = False,
    held: ExitStack | None = None,
) -> RunFolder:
    """Train an encoder, or go on with a run that was interrupted.

    Args:
        method: a subclass of `Method`, or what `find_method` takes, such as a name of the methods room.
        options: that method's `Options`.
        explicit: names of the options that were set on purpose; a recipe leaves those alone. None
            means all of them.
        images: the data set, where it is not to be loaded from `options.data`.
        encoder: an untrained network of your own, [B, C, S, S] -> [B, D], instead of `options.encoder`.
        command: for the record.
        budget: the time of `options.budget`, where it has begun already; default: it begins now.
        then: what the caller does in that time after the training (`core/budget.py`: FEATURES, ...).
        first_page: writes the page of a run before its first step, in so many seconds, and says where it is; called
            where there is a budget.
        graceful: SIGINT ends the training, and the run is complete; else it is saved and Interrupted is raised.
        held: keeps the run folder to this process (`RunFolder.writing`) until it is closed; None: until the return.

    Returns:
        The run folder; its encoder.safetensors holds the trained encoder. Of several processes (torchrun) the first
        one writes it, and may still be writing when the others return.

    Raises:
        LookalikeError: anything the user can put right. Interrupted: a signal asked to stop.
    """
    if held is None:
        with ExitStack() as held:
            return train(
                method,
                options,
                explicit,
                images=images,
                encoder=encoder,
                command=command,
                budget=budget,
                then=then,
                first_page=first_page,
                graceful=graceful,
                held=held,
            )
    begun = time.monotonic()
    kind = find_method(method)
    method = method if isinstance(method, str) else name_of(kind)
    if budget is None and options.budget is not None:
        raise_problems(options.problems())
        budget = Budget.of(options.budget)
    machine.use_threads(options.threads)
    device = own_device(machine.resolve_device(options.device))
    ranks = join(device)
    with ranks.together():
        need_loggers(options.log)
        if options.out is not None and ranks.first:  # else its name is known when the images are
            held.enter_context(RunFolder(Path(options.out)).writing())
        initial = find_initial(options)
        if initial is not None:
            options, taken = initial.taken_over(options, meant(options, explicit))
            explicit = None if explicit is None else explicit | taken
        if images is None:
            how = loading(options)
            with ExitStack() as spending:
                if budget is not None:
                    how = dataclasses.replace(how, listed=partial(raise_too_little, budget))
                    spending.enter_context(budget.spent())
                images = load_images(options.data, options.image_size, options.download, how)
        loaded = time.monotonic()
        if encoder is not None:
            options = dataclasses.replace(options, encoder=f"python:{type(encoder).__name__}")
        named = {f.name for f in dataclasses.fields(options)} if explicit is None else explicit
        fraction = getattr(options, "label_fraction", None)
        rows = training_rows(images, kind.needs_labels, fraction, options.seed)
        lesson, more = images, getattr(options, "more_labels", None)
        if more is not None:
            lesson, rows = with_more(images, rows, Path(more))
        options = resolve(options, method, named | ({"encoder"} if encoder is not None else set()), images, rows)
        raise_problems(processes_problems(options, len(rows), ranks))
        run = RunFolder(Path(options.out or default_run(method, images)))
        if ranks.first:
            held.enter_context(run.writing())
        options = as_before(options, named, run)
        if initial is None:
            backbone = untrained = untrained_backbone(options, images, device, encoder)
            backbone = backbone if options.epochs else calibrated(backbone, images)
        else:
            backbone = started(initial, options, images, device, copy.deepcopy(encoder))
            untrained = untrained_backbone(options, images, device, encoder, backbone.spec.channels)
        normalized: dict[str, Any] = {"normalize": backbone.normalized_by}
        options = dataclasses.replace(options, **normalized)
        learner = kind(backbone.encoder, options, len(rows), len(images.classes), ranks)
        learner = placed(learner.double() if options.precision == "float64" else learner, device)
        told = {"method": method, **lasting(options), "run folder": str(run.path), "images": images.fingerprint}
        raise_problems(disagreements(ranks.objects(told)))
        resumed = done = False
        if ranks.first:
            if not run.complete():
                held.callback(release, run)
                reserve(run, foreseen(learner, backbone.encoder, options, len(images)))
            resumed, done = claim(run, method, options, images, command, budget)
        resumed, done = ranks.objects((resumed, done))[0]
    run.loaded = images
    if ranks.first and images.listed is not None and not resumed and not done:
        for words in health_of(images.listed, images.examined).lines():
            tell(words)
    choice = None
    if budget is not None and options.schedule == CLOCK and ranks.first and not resumed and not done:
        with kept(run, images, graceful):
            before_learning(run, images, backbone, options, budget, first_page)
    if not done:
        with ranks.together(), kept(run, images, graceful, ranks.first), StopSignals(ranks.size > 1) as stop:
            augment, choice = settle_views(
                options,
                method,
                images,
                rows,
                run,
                partial(untrained_backbone, device=device),
                ranks,
                seconds=None if budget is None else budget.at_most(allowed_seconds(options)),
                clock=now if budget is None else budget.clock,
                signal=lambda: stop.number,
            )
            options = learner.options = dataclasses.replace(options, augment=augment)
            if ranks.first and choice is not None:
                run.configure(method, options, command)
                run.update(views=choice.record())
    if done:
        return run
    timed = options.schedule == CLOCK
    behind = Behind(len(images), frozenset(then) - (frozenset() if can_evaluate(images) else {EVALUATION}))
    behind.networks = 2 + len(BASELINES) + (initial is not None)
    if images.evaluation is not None:
        behind.rows = sum(map(len, images.evaluation))
    behind.budget = math.inf if budget is None else budget.seconds
    extent = Extent(**run.status().get("extent", {})) if ranks.first else Extent()
    time_left = budget if timed else None
    trainer = Trainer(learner, backbone, options, lesson, rows, run, untrained, time_left, behind, extent)
    trainer.graceful = graceful
    begins = [] if initial is None else [initial.words(backbone, images.shape[0])]
    trainer.remarks = (*begins, *([] if choice is None else [choice.words()]))
    if ranks.first:
        chosen: dict[str, Any] = elsewhere(method, kind)
        if initial is not None and not resumed:  # of the file as it was at the first start
            chosen["init"] = initial.record()
        run.update("running", {"load": loaded - begun}, **chosen)
    status = "failed"
    try:
        with partners(ranks):  # wherever in a training the others are missed
            trainer.fit(resumed)
        if ranks.first:
            weights = {run.encoder: lambda path: backbone.save(path, method)}
            if kind.needs_labels:
                weights[run.classifier] = lambda path: save_classifier(path, learner, images.classes)
            save_weights(run, weights, trainer.journal.say)
            trainer.journal.flush()
            if timed and not trainer.ended:
                options = learner.options = repeatable(options, trainer.pacing, trainer.batches)
                run.update(budget=behind.record())
                run.configure(method, options, command)
        status = "trained"
    except Interrupted:
        status = "interrupted"
        raise
    finally:
        if ranks.first:
            ended_at = trainer.step if trainer.ended else None
            with unless_full(tell, f"{run.record.name} does not say how the run ended"):
                run.update(status, {"train": trainer.seconds}, parameters=_count(backbone.encoder), ended_at=ended_at)
    return run


def training_rows(images: Images, with_labels: bool, label_fraction: float | None = None, seed: int = 0) -> Tensor:
    """Rows (int64) to train on: the training split, or the labelled rows that evaluation learns from.

    Args:
        images: the data set.
        with_labels: whether labels are learned from.
        label_fraction: share of the labels to learn from, drawn class by class; None for all.
        seed: of the drawing.

    Raises:
        LookalikeError: labels are needed and there are none.
    """
    if not with_labels:
        return images.training
    if images.evaluation is None or len(images.evaluation[0]) == 0 or len(images.classes) < 2:
        found = "no labels" if images.evaluation is None else f"labels of {counted(len(images.classes), 'class')}"
        raise LookalikeError(
            f"{images.name} has {found}, and this method learns from labels; put images of a class into a "
            f"folder of their own, or train without labels ({', '.join(method_names(with_labels=False))})"
        )
    if label_fraction is None:
        return images.evaluation[0]
    assert images.labels is not None
    return drawn_share(images.labels, by_content(images, images.evaluation[0]), label_fraction, seed)


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())
