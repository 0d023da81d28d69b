"""A listing as images in memory: one central square each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from lookalike.core.machine import cores
from lookalike.data.base import Images, resize
from lookalike.data.decode import header
from lookalike.data.health import examine, health_of, too_many_bad
from lookalike.data.listing import Entry, Listing

_NATIVE = 64  # images that all have one size up to this many pixels keep it
_SCALED = 64  # else they are brought to this side


def load(listing: Listing, image_size: int | None = None) -> Images:
    """Decode everything that is listed; what cannot be read is in `skipped`.

    Raises:
        LookalikeError: more than a fifth cannot be read.
    """
    with ThreadPoolExecutor(cores()) as pool:
        shapes = set(pool.map(_shape, listing.entries)) - {None}
        sizes = {shape[:2] for shape in shapes if shape}
        width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 1)
        side = image_size or (width if width == height <= _NATIVE else _SCALED)
        aspect = max((max(w, h) / min(w, h) for w, h in sizes), default=1.0)
        channels = max((shape[2] for shape in shapes if shape), default=3)
        found = list(pool.map(lambda entry: examine(entry, int(side * min(aspect, 4)), channels), listing.entries))
    too_many_bad(health_of(listing, [examined for _, examined in found]))
    rows = [i for i, (pixels, _) in enumerate(found) if pixels is not None]
    squares = [
        resize(torch.from_numpy(pixels).permute(2, 0, 1)[None], side) for pixels, _ in found if pixels is not None
    ]
    labels, classes = None, tuple(sorted({label for label in listing.labels or () if label is not None}))
    if listing.labels is not None:
        code = {name: k for k, name in enumerate(classes)}
        labels = torch.tensor([code.get(listing.labels[i] or "", -1) for i in rows])
    return Images(
        pixels=torch.cat(squares),
        paths=tuple(listing.entries[i].name for i in rows),
        labels=labels,
        classes=classes,
        split=None if listing.split is None else tuple(listing.split[i] for i in rows),
        name=listing.name,
        skipped=(*listing.refused, *((e.name, e.reason) for _, e in found if e.reason is not None)),
    )


def _shape(entry: Entry) -> tuple[int, int, int] | None:
    """(width, height, channels), None where the image cannot be read."""
    try:
        raw = entry.open()
        found = header(raw)
        if not hasattr(raw, "dtype"):
            raw.close()
    except Exception:
        return None
    return found.width, found.height, found.channels
