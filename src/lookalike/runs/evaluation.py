"""evaluation.json: what several kinds of features reach by one protocol.

In the file each kind but the trained one stands with its name before its figures: `knn`, `pixels.knn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from lookalike.runs.values import number, table

TRAINED = "trained"
KINDS = (TRAINED, "pixels", "histograms", "random", "init")
"""Kinds of features: those of the network, of pixels, of histograms, of the untrained network, of the weights that the
training began with."""


@dataclass(frozen=True)
class GroupScores:
    """How well groups made without labels agree with labels; `accuracy` after the best one-to-one matching."""

    accuracy: float | None = None
    nmi: float | None = None
    ari: float | None = None
    purity: float | None = None

    def to_json(self, name: str) -> dict[str, float]:
        """Flat, each key behind `name`."""
        return {f"{name}.{key}": value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, record: Mapping[str, object], name: str) -> GroupScores | None:
        """Read from flat keys; None where all are missing."""
        scores = cls(**{f.name: number(record.get(f"{name}.{f.name}")) for f in fields(cls)})
        return None if scores == cls() else scores


@dataclass(frozen=True)
class Scores:
    """What one kind of features reaches on the test rows: accuracies in [0, 1], None where one was not measured."""

    knn: float | None = None
    linear: float | None = None
    penalty: float | None = None
    """Of the linear probe, as it was chosen; evaluation.json has it in its protocol."""
    cluster: GroupScores | None = None
    """Groups by k-means."""
    spectral: GroupScores | None = None
    """Groups by shape."""

    @property
    def groups(self) -> float | None:
        """Accuracy of the groups by k-means."""
        return None if self.cluster is None else self.cluster.accuracy

    def to_json(self) -> dict[str, float]:
        """Flat: `knn`, `linear`, `penalty`, `cluster.accuracy`, ..., `cluster.spectral.accuracy`, ... without None."""
        plain = {"knn": self.knn, "linear": self.linear, "penalty": self.penalty}
        record = {key: value for key, value in plain.items() if value is not None}
        record |= self.cluster.to_json("cluster") if self.cluster is not None else {}
        return record | (self.spectral.to_json("cluster.spectral") if self.spectral is not None else {})

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Scores:
        """Read from the keys that `to_json` writes. A value that is no number counts as not measured."""
        return cls(
            knn=number(record.get("knn")),
            linear=number(record.get("linear")),
            penalty=number(record.get("penalty")),
            cluster=GroupScores.from_json(record, "cluster"),
            spectral=GroupScores.from_json(record, "cluster.spectral"),
        )


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json: the scores of several kinds of features."""

    scores: Mapping[str, Scores]
    """By kind (`KINDS`), for the kinds that were measured."""
    protocol: Mapping[str, object] = field(default_factory=dict)
    """What was done, in words and values (`evaluate/protocol.py`)."""
    classifier: float | None = None
    """Accuracy of the classifier that training with labels ends with."""
    few_labels: Mapping[str, object] | None = None
    """The table of few labels (`api/few_label_table.py`)."""
    finetune: Mapping[str, object] | None = None
    """Accuracies of fine-tuning (`api/finetuning.py`)."""

    @property
    def trained(self) -> Scores:
        """The scores of the trained network."""
        return self.scores.get(TRAINED, Scores())

    def scores_of(self, kind: str) -> Scores:
        """The scores of a kind of features; empty scores where that kind was not measured."""
        return self.scores.get(kind, Scores())

    @property
    def test_rows(self) -> int:
        """Number of test images; 0 where it is not known."""
        return int(number(self.protocol.get("test_rows")) or 0)

    @property
    def chance(self) -> float | None:
        """Accuracy of an even guess."""
        return number(self.protocol.get("chance"))

    def to_json(self) -> dict[str, object]:
        """What evaluation.json holds."""
        record: dict[str, object] = {}
        for kind, scores in self.scores.items():
            prefix = "" if kind == TRAINED else f"{kind}."
            record |= {prefix + key: value for key, value in replace(scores, penalty=None).to_json().items()}
        record |= {} if self.classifier is None else {"classifier": self.classifier}
        record["protocol"] = dict(self.protocol)
        others = {"few_labels": self.few_labels, "finetune": self.finetune}
        return record | {key: value for key, value in others.items() if value is not None}

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> Evaluation:
        """Read from evaluation.json. A value that is missing or of the wrong kind counts as not measured."""
        scores = {}
        for kind in KINDS:
            prefix = "" if kind == TRAINED else f"{kind}."
            of_it = {key.removeprefix(prefix): value for key, value in record.items() if key.startswith(prefix)}
            scores[kind] = Scores.from_json(of_it)
        return cls(
            {kind: kind_scores for kind, kind_scores in scores.items() if kind_scores != Scores()},
            table(record.get("protocol")) or {},
            number(record.get("classifier")),
            table(record.get("few_labels")),
            table(record.get("finetune")),
        )
