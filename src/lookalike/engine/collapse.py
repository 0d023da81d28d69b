"""Watches clusterings for collapse, and puts them in words."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lookalike.clustering.clustering_metrics import nmi
from lookalike.core.record_types import Event, Record
from lookalike.core.words import counted
from lookalike.engine.events import Observer, PlanMade, Recorder

_HALF = 0.5  # share of the images in one cluster from which a clustering says little
_UNRELATED = 0.05  # NMI with the previous clustering below which the two have nothing in common
_PATIENCE = 3  # unrelated clusterings in a row before it is said


class CollapseDetector:
    """Is shown the metrics of each plan. `unrelated` is its state: clusterings in a row that shared nothing."""

    def __init__(self) -> None:
        self.unrelated = 0
        self.warned = ""

    def see(self, notes: Sequence[Event], n: int, with_labels: float | None) -> tuple[str, str]:
        """Words for the progress line, and a warning ("" where all is well or was said before).

        Args:
            notes: of a plan, one dictionary a head; empty where nothing was clustered.
            n: images.
            with_labels: NMI of the first head with the labels, where there are any.
        """
        if not notes:
            return "", ""
        previous = [note["nmi_previous"] for note in notes if note["nmi_previous"] is not None]
        if previous:
            self.unrelated = self.unrelated + 1 if max(previous) < _UNRELATED else 0
        largest, smallest = (pick(note[key] for note in notes) for pick, key in ((max, "largest"), (min, "smallest")))
        words = f"  clusters of {smallest:,} to {largest:,}"
        if previous:
            words += f", NMI {sum(previous) / len(previous):.2f} with those before"
        if with_labels is not None:
            words += f", {with_labels:.2f} with labels"
        warning, kind = self._warning(largest, n)
        warned_before, self.warned = self.warned, kind
        return words, warning if kind != warned_before else ""

    def _warning(self, largest: int, n: int) -> tuple[str, str]:
        """A sentence and its kind; the kind is said once, not at every clustering."""
        if largest > _HALF * n:
            return (
                f"collapsing: one cluster holds {largest:,} of {counted(n, 'image')}. Try more clusters "
                "(--n-clusters), "
                "a lower learning rate, or fewer epochs between clusterings (--every).",
                "one cluster",
            )
        if self.unrelated >= _PATIENCE:
            return (
                f"collapsing: the last {counted(self.unrelated, 'clustering')} have nothing in common with "
                "those before them "
                f"(NMI below {_UNRELATED}). Try more epochs between clusterings (--every) or a lower learning rate.",
                "unrelated",
            )
        return "", ""


class CollapseMonitor(Observer):
    """Puts clusterings on record, with their agreement with labels, which no method sees, and warns of a collapse."""

    def __init__(self, labels_N: Tensor | None, images: int, log: Recorder) -> None:
        """`labels_N` (int64, -1 where there is none) are those of the images that are trained on."""
        self.labels_N, self.images, self.log, self.detector = labels_N, images, log, CollapseDetector()
        self.words = ""
        """What the last clustering gave, for the live line."""

    def checkpoint_state(self) -> Record:
        """What a checkpoint holds of it."""
        return {"unrelated": self.detector.unrelated}

    def restore(self, state: Record) -> None:
        """Go back to what a checkpoint holds."""
        self.detector.unrelated = state["unrelated"]

    def on_plan(self, made: PlanMade) -> None:
        notes, targets_NH = made.plan.metrics, made.plan.targets_NH
        agreements = [label_agreement(targets_NH[:, head], self.labels_N) for head in range(len(notes))]
        for head, (note, agreement) in enumerate(zip(notes, agreements, strict=True)):
            # at the step to come: a run that goes on from here plans, and writes this, again
            values = {"head": head, **note, "nmi_labels": agreement}
            self.log.event("clustering", made.step + 1, epoch=made.epoch + 1, **values)
        self.words, warning = self.detector.see(notes, self.images, agreements[0] if agreements else None)
        if warning:
            self.log.on_note(warning)


def label_agreement(groups_N: Tensor, labels_N: Tensor | None) -> float | None:
    """NMI of groups with the labels of the images that have one; None without labels."""
    if labels_N is None or not bool((labels_N >= 0).any()):
        return None
    labelled = labels_N >= 0
    return round(nmi(groups_N[labelled], labels_N[labelled]), 4)
