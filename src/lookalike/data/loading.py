"""Images of a DATA argument: in memory from a source that has them so, else decoded from an image index."""

from __future__ import annotations

from collections.abc import Sequence

from lookalike.core.errors import LookalikeError
from lookalike.core.progress import phase
from lookalike.data import sources, store
from lookalike.data.base import Images, LoadConfig, fitted


def load(
    data: str | Sequence[str], image_size: int | None = None, download: bool = False, config: LoadConfig | None = None
) -> Images:
    """Images of a DATA argument.

    Args:
        data: one place or several; see `sources.find`.
        image_size: side of the square that images of differing size are brought to, pixels.
        download: fetch `mnist:` or `cifar10:` first where the files are missing.
        config: whether and where decoded image files are kept.

    Raises:
        LookalikeError: nothing is there, or it cannot be read; the message says what was found.
    """
    with phase("reading images"):
        source = sources.find(data, download, image_size)
        if not isinstance(source, Images) and config is not None and config.listed is not None:
            config.listed(len(source.entries))
        images = source if isinstance(source, Images) else store.load(source, image_size, config)
        if len(images) == 0:
            raise LookalikeError(f"{images.name} holds no images")
        if image_size is not None and image_size != images.shape[1]:
            images = fitted(images, image_size)
    return images
