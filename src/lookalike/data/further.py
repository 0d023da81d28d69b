"""Files of several pages or frames, of which the first is used: told as far as their headers say so.

Nothing is decoded for it. Of a GIF the first frame is passed over, as its header does not say whether another follows.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from lookalike.data.deep import DeepImage
from lookalike.data.image_index import Raw
from lookalike.data.jpeg import Jpeg

REASON = "further"
"""In `core/passed_over.py`."""
_SMALLER_OR_MASK = 1 | 4  # of a TIFF page (tag 254): the same picture once more
_KIND_OF_PAGE = 254


def has_further(raw: Raw) -> bool:
    """Whether an opened file holds other pictures than the one that is used.

    Smaller copies, masks and layers are none, nor what phones keep behind a JPEG.
    """
    if isinstance(raw, np.ndarray | Jpeg):
        return False
    if isinstance(raw, DeepImage):
        return raw.further
    try:
        if raw.format == "TIFF":
            return _tiff_has_further(raw)
        return raw.format not in ("MPO", "PSD") and bool(getattr(raw, "is_animated", False))
    except Exception:  # damaged behind its first frame
        return False


def _tiff_has_further(image: Image.Image) -> bool:
    if not getattr(image, "is_animated", False):
        return False
    image.seek(1)
    kind = getattr(image, "tag_v2", {}).get(_KIND_OF_PAGE, 0)
    image.seek(0)
    return not kind & _SMALLER_OR_MASK
