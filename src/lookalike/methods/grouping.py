"""What methods that cluster share: the record of a clustering, and what cannot be clustered."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from lookalike.clustering.clustering_metrics import nmi
from lookalike.clustering.lloyd import Clustering
from lookalike.core.words import agreeing, counted


def grouping_notes(
    clustering: Clustering, labels_N: Tensor, previous_N: Tensor | None
) -> dict[str, float | int | None]:
    """What is worth recording of a clustering; labels of all images, `previous_N` those of the one before."""
    sizes = clustering.counts_K
    return {
        "nmi_previous": None if previous_N is None else round(nmi(previous_N, labels_N), 4),
        "clusters": len(sizes),
        "empty": int((sizes == 0).sum()),
        "smallest": int(sizes.min()),
        "largest": int(sizes.max()),
        "refilled": clustering.refilled,
        "inertia": clustering.inertia,
    }


def grouping_problems(k: int, n: int, distinct: Callable[[], int]) -> Iterator[str]:
    """A complaint where n images cannot make k clusters; `distinct` counts those that differ."""
    if k > n:
        yield f"--n-clusters {k} is more than the {counted(n, 'training image')} there {agreeing(n, 'is', 'are')}"
    elif (count := distinct()) < k:
        distinct_images = f"{counted(count, 'distinct image')} there {agreeing(count, 'is', 'are')}"
        yield f"--n-clusters {k} is more than the {distinct_images} (of {n:,}, the others are copies)"
