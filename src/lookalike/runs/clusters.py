"""clusters.json: how the groups of a run's images were made, and how well they agree with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from lookalike.runs.evaluation import GroupScores
from lookalike.runs.values import count, entries, number, table, text


@dataclass(frozen=True)
class ScoreOfK:
    """What speaks for a number of groups (`evaluate/n_clusters_selection.py`)."""

    k: int
    stability: float
    silhouette: float
    total: float
    """The sum, by which k is chosen."""

    @classmethod
    def from_json(cls, value: object) -> ScoreOfK | None:
        """Read from an entry of `scores`; None where a number is missing."""
        record = table(value) or {}
        k = count(record.get("k"))
        figures = [number(record.get(name)) for name in ("stability", "silhouette", "total")]
        stability, silhouette, total = figures
        if k is None or stability is None or silhouette is None or total is None:
            return None
        return cls(k, stability, silhouette, total)


@dataclass(frozen=True)
class ClusterRecord:
    """clusters.json. What is not known is None, empty or 0."""

    method: str = ""
    """kmeans or spectral; `way` in the file."""
    seed: int = 0
    k: int = 0
    """Number of groups."""
    sizes: list[int] = field(default_factory=list)
    """Images of each group."""
    features: str | None = None
    """Features that are not those of the run, by name."""
    scores: list[ScoreOfK] = field(default_factory=list)
    """Of the numbers of groups that were tried, where k was to be found."""
    restarts: int | None = None
    """Number of restarts, where time allowed fewer than usual."""
    labelled: int | None = None
    """Images with labels, of which the agreement is."""
    agreement: GroupScores | None = None
    """Agreement of the groups with labels."""

    def to_json(self) -> dict[str, object]:
        """The content of clusters.json."""
        record: dict[str, object] = {"way": self.method, "seed": self.seed}
        record |= {} if self.features is None else {"features": self.features}
        record |= {"scores": [asdict(score) for score in self.scores]} if self.scores else {}
        record |= {} if self.restarts is None else {"restarts": self.restarts}
        record |= {"k": self.k, "sizes": self.sizes}
        record |= {} if self.labelled is None else {"labelled": self.labelled}
        return record | ({} if self.agreement is None else asdict(self.agreement))

    @classmethod
    def from_json(cls, record: Mapping[str, object]) -> ClusterRecord:
        """Read from clusters.json. A value that is missing or of the wrong kind is not known."""
        scores = map(ScoreOfK.from_json, entries(record.get("scores")))
        sizes = map(count, entries(record.get("sizes")))
        figures = {name: number(record.get(name)) for name in ("accuracy", "nmi", "ari", "purity")}
        return cls(
            method=text(record.get("way")) or "",
            seed=count(record.get("seed")) or 0,
            k=count(record.get("k")) or 0,
            sizes=[size for size in sizes if size is not None],
            features=text(record.get("features")),
            scores=[score for score in scores if score is not None],
            restarts=count(record.get("restarts")),
            labelled=count(record.get("labelled")),
            agreement=None if figures["accuracy"] is None else GroupScores(**figures),
        )
