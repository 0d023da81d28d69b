"""What is said of a run that has not learned yet: its images, found without any learning, and what is still to come."""

from __future__ import annotations

import shlex

from lookalike.core.options import short
from lookalike.core.words import counted
from lookalike.runs.reader import RunReader


def has_learned(run: RunReader) -> bool:
    """Whether anything on the page is of a network: features, or a look at one."""
    return (
        run.record.has_ended
        or run.embeddings is not None
        or any(frame.kind != "pixels" for frame in run.frames)
        or bool(run.looks or run.events_of("epoch"))
    )


def opening(run: RunReader) -> str:
    """What the run is of, and what this page is."""
    channels, side = (run.record.shape or [0, 0, 0])[:2]
    kind = {1: "grey", 3: "colour"}.get(channels, counted(channels, "channel"))
    words = f"{counted(run.record.training_images or run.images, 'image')} of "
    words += short(run.config.get("data") or "images") + (f" ({side} x {side} pixels, {kind})" if side else "")
    what = f"to be learned from by {run.method}" if run.method else "to be learned from"
    status = run.record.status or "unknown"
    state = "" if status == "started" else f" The run is not complete (status: {status})."
    return (
        f"{words}, {what}. This page is from before the first step of training: it shows what can be known of the "
        f"images without learning, and what is alike by its pixels alone.{state}"
    )


def survey(run: RunReader) -> list[str]:
    """Sentences on the images, from when they were listed and decoded; none where the run has no record of it."""
    return [f"{line[:1].upper()}{line[1:]}." for line in run.record.survey if line]


def to_come(run: RunReader) -> str:
    """What replaces the page, and the command that goes on."""
    budget = run.config.get("budget")
    when = f"when the training ends (--budget {budget})" if budget else "when the training ends"
    return (
        f"Still to come: views of the images, the training, groups and curves. This page is replaced {when}; with what "
        f"there is by then, at any time: lookalike report {shlex.quote(str(run.path))}"
    )


def go_on(run: RunReader) -> str:
    """The command that goes on with a run that was stopped."""
    config = shlex.quote(str(run.path / "config.toml"))
    when = ", should it have been stopped" if run.record.status == "started" else ""
    return f"Go on with the run{when}: lookalike train --config {config}"


def missing(run: RunReader, run_words: str) -> list[str]:
    """Sentences on what is not on the page yet. `run_words` name the run where there are several."""
    labelled = any(row.get("label") for row in run.index)
    last = "outliers and an evaluation" if labelled else "and outliers"
    sentences = [f"Views, curves, groups, {last} come with learning{run_words}: this page is from before it."]
    if not run.frames and not any("snapshots" in sentence for sentence in run.missing):
        why = (
            "it was started with --no-snapshots"
            if run.config.get("snapshots") is False
            else "it was interrupted before its first look at the network"
        )
        sentences.append(f"No snapshots{run_words}: {why}.")
    if not labelled:
        sentences.append(
            f"No labels{run_words}: accuracies and same-label marks are left out. Class folders give labels."
        )
    return sentences
