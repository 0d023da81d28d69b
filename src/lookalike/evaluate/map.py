"""Maps of the same images at several moments, aligned: t-SNE (van der Maaten and Hinton 2008) by openTSNE.

One frame is laid out from its two principal axes. Every further frame starts from the one beside it and is given
few iterations, so that a point moves where its neighbours have changed, and else stays. How many is decided by
the share of neighbours that two frames have in common. NumPy and openTSNE only; no PyTorch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lookalike.core.progress import phase
from lookalike.neighbors.numpy_backend import nearest_rows, unit_rows

if TYPE_CHECKING:  # it takes a second to load
    from openTSNE import TSNEEmbedding

PERPLEXITY = 30.0
NEIGHBOURS = 90  # of an image that attract it: three times the perplexity, as is usual
VERSION = 1  # of what is computed here, for whoever keeps the result
FEWEST = 12  # images below which principal axes say as much
_EXAGGERATED, _PLAIN = 100, 300  # iterations of the first frame
_PULLED, _RELEASED = 75, 50  # of a frame whose neighbours are others than those of the frame before
FIRST, FOLLOWING = _EXAGGERATED + _PLAIN, _PULLED + _RELEASED  # iterations at the most
WIDE = 2_048
"""Features above which not all principal axes are computed."""
_CLOSE = 1e-4  # relative error of their lengths: a layout only begins there
_ASKED = 10  # iterations between two looks at the clock
_SETTLED, _RELATED = 0.9, 0.5  # shares of common neighbours
_THETA = 0.8  # of Barnes and Hut; 0.5 kept no more neighbours and took half as long again
_COMPARED = 20  # neighbours compared between frames

Neighbours = tuple[np.ndarray, np.ndarray]
"""What `nearest_rows` gives: rows [n, k] and cosines [n, k]."""


def aligned_maps(
    frames: Sequence[np.ndarray],
    *,
    first: int = 0,
    neighbours: Sequence[Neighbours] | None = None,
    seed: int = 0,
    threads: int = 1,
    stop: Callable[[], bool] | None = None,
) -> np.ndarray:
    """Two coordinates an image and frame.

    Args:
        frames: floating features [n, D] of the same images; D may differ between frames.
        first: the frame that is laid out first; those after it follow one from another, and so do those before it.
        neighbours: of each frame, at least min(NEIGHBOURS, n - 1) of each image; computed where not given.
        seed: of the noise that tells equal images apart.
        threads: for openTSNE; the result does not depend on it below 10,000 images.
        stop: asked every few iterations; once it is true, layouts stay as they are by then, settled or not.

    Returns:
        float32 [frames, n, 2] in [0, 1], scaled for all frames at once, so that frames compare; axes of one scale.
    """
    if not frames or not len(frames[0]):
        return np.zeros((len(frames), 0, 2), np.float32)
    n = len(frames[0])
    near = neighbours or [nearest_rows(x, NEIGHBOURS) for x in frames]
    layouts: dict[int, np.ndarray] = {}
    with phase("laying out the map, frames", len(frames)) as p:
        for at in p.over([*range(first, len(frames)), *range(first - 1, -1, -1)]):
            beside = None if at == first else at - 1 if at > first else at + 1
            before = None if beside is None else layouts[beside]
            if n < FEWEST or _spread(frames[at]) == 0:
                layouts[at] = principal_layout(frames[at], before, seed)
                continue
            shared = 0.0 if beside is None else common_neighbours(near[at][0], near[beside][0])
            layouts[at] = _tsne(frames[at], near[at], before, shared, seed, threads, stop)
    return _into_unit_square(np.stack([layouts[at] for at in range(len(frames))]))


def common_neighbours(one_NK: np.ndarray, other_NK: np.ndarray, k: int = _COMPARED) -> float:
    """The share in [0, 1] of the k nearest of an image that are the same in both, on average."""
    return float(common_per_image(one_NK, other_NK, k).mean())


def common_per_image(one_NK: np.ndarray, other_NK: np.ndarray, k: int = _COMPARED) -> np.ndarray:
    """The same for each image, float64 [N]."""
    both = np.sort(np.concatenate([one_NK[:, :k], other_NK[:, :k]], axis=1), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(1) / max(1, min(k, one_NK.shape[1]))


def fingerprint(frames: Sequence[np.ndarray], first: int, seed: int) -> str:
    """Names what `aligned_maps` would compute, so that it need not be computed again."""
    digest = hashlib.blake2b(repr((VERSION, first, seed)).encode(), digest_size=16)
    for x in frames:
        digest.update(repr((x.shape, x.dtype.str)).encode())
        digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest()


def begun(x_ND: np.ndarray, near: Neighbours, before: np.ndarray | None, seed: int, threads: int) -> TSNEEmbedding:
    """A layout before its first iteration: from the principal axes of the features, or from the layout `before`."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n = len(x_ND)
    k = min(NEIGHBOURS, n - 1)
    rows, cosines = near[0][:, :k], near[1][:, :k]
    # between rows of length 1 the Euclidean distance is a function of the cosine
    distances = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines.astype(np.float64)))
    index = PrecomputedNeighbors(np.ascontiguousarray(rows), np.ascontiguousarray(distances))
    affinities = PerplexityBasedNN(perplexity=min(PERPLEXITY, k / 3), knn_index=index, n_jobs=threads)
    start = principal_layout(x_ND, None, seed) if before is None else before.copy()
    if before is None:
        start *= 1e-4 / max(start[:, 0].std(), 1e-12)
    return TSNEEmbedding(
        start, affinities, negative_gradient_method="auto", theta=_THETA, n_jobs=threads, random_state=seed
    )


def _tsne(
    x_ND: np.ndarray,
    near: Neighbours,
    before: np.ndarray | None,
    shared: float,
    seed: int,
    threads: int,
    stop: Callable[[], bool] | None,
) -> np.ndarray:
    layout = begun(x_ND, near, before, seed, threads)
    rules: dict[str, object] = {"momentum": 0.8}
    if stop is not None:
        rules |= {"callbacks": lambda *_: stop(), "callbacks_every_iters": _ASKED}
    if before is None:
        layout = layout.optimize(_EXAGGERATED, exaggeration=12, **rules)
        layout = layout.optimize(_PLAIN, **rules)
    elif shared >= _SETTLED:
        layout = layout.optimize(25, **rules)
    elif shared >= _RELATED:
        layout = layout.optimize(75, **rules)
    else:  # the images have to change places: pulled together they can pass one another
        layout = layout.optimize(_PULLED, exaggeration=12, **rules).optimize(_RELEASED, **rules)
    return np.asarray(layout, np.float64)


def _spread(x_ND: np.ndarray) -> float:
    """The largest difference between two images in one direction; rounding apart, 0 where all are equal."""
    x = unit_rows(x_ND)
    widest = float(np.ptp(x, axis=0).max()) if x.size else 0.0
    return widest if widest > 1e-5 else 0.0


def principal_layout(x_ND: np.ndarray, before: np.ndarray | None, seed: int, wide: int = WIDE) -> np.ndarray:
    """The two principal axes (float64 [n, 2]), turned towards `before`; where there are none, little but noise."""
    x = unit_rows(x_ND).astype(np.float64)
    if _spread(x_ND) == 0 and before is not None:
        return before.copy()
    with threadpool_limits(1):  # several threads of BLAS round otherwise, and a layout makes much of little
        y = _along_principal_axes(x - x.mean(0), wide)
    y = np.pad(y, ((0, 0), (0, 2 - y.shape[1])))
    side = np.sign(y[np.abs(y).argmax(0), [0, 1]])
    y *= np.where(side == 0, 1.0, side)
    # equal images would never part, and a line of images never leave its line
    y += np.random.default_rng(seed).normal(size=y.shape) * max(float(y.std()), 1e-6) * 1e-3
    if before is not None:
        left, _, right = np.linalg.svd(y.T @ (before - before.mean(0)))
        y = y @ (left @ right)
    return y


def _along_principal_axes(x_ND: np.ndarray, wide: int) -> np.ndarray:
    """Centred rows along their two principal axes, float64 [n, 2], or [n, 1] where there is one."""
    n, width = x_ND.shape
    if width > wide and x_ND.any():  # all axes of pixels in colour take longer than the map
        from scipy.sparse.linalg import LinearOperator, eigsh

        scatter = LinearOperator((width, width), lambda v: x_ND.T @ (x_ND @ v), dtype=x_ND.dtype)
        values, axes = eigsh(scatter, k=2, v0=np.random.default_rng(0).normal(size=width), tol=_CLOSE)
        return np.asarray(x_ND @ axes[:, np.argsort(-values)])
    if width < n:
        _, axes = np.linalg.eigh(x_ND.T @ x_ND)
        return np.asarray(x_ND @ axes[:, ::-1][:, :2])
    values, axes = np.linalg.eigh(x_ND @ x_ND.T)
    return np.asarray(axes[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0)))


def _into_unit_square(y_FN2: np.ndarray) -> np.ndarray:
    low, high = y_FN2.min((0, 1)), y_FN2.max((0, 1))
    size = max(float((high - low).max()), 1e-12)
    return ((y_FN2 - (low + high) / 2) / size + 0.5).clip(0, 1).astype(np.float32)
