"""A sheet of augmented views, before any training: what the network will be asked to ignore."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lookalike.cli.parse import parse
from lookalike.core import machine
from lookalike.core.load_options import LOAD_OPTIONS, LoadOptions
from lookalike.core.options import at_least
from lookalike.core.progress import phase

USAGE = "lookalike views DATA"
_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}


@dataclass(kw_only=True)
class Views(LoadOptions):
    """Write a picture: each row an original, then random views of it."""

    data: str | tuple[str, ...] = ""
    """Images: folders, image files, lists, archives, FILE.npy, digits, mnist:DIR, cifar10:DIR or hf:NAME."""
    out: str = "views.png"
    """The picture to write."""
    augment: str | None = None
    """Augmentation of random views: simclr, simclr-small or digits; default: what training would take."""
    crop_min: float | None = None
    """Smallest crop, as a fraction of the image's area."""
    image_size: int | None = None
    """Side of the square the network sees, pixels."""
    images: int = 8
    """Rows: images, evenly spaced through the data."""
    views: int = 8
    """Columns: views of each."""
    seed: int = 0
    """Seed of the views."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        yield from at_least(self, 1, "images", "views", "image_size")
        if Path(self.out).suffix.lower() not in _KINDS:
            yield f"--out must end in one of {', '.join(_KINDS)}, got {self.out!r}"
        if self.crop_min is not None and not 0 < self.crop_min <= 1:
            yield f"--crop-min must be in (0, 1], got {self.crop_min}"
        if not self.data:
            yield f"no images named: {USAGE}"
        yield from super().problems()


def run(words: list[str]) -> int:
    """Write the sheet."""
    options = parse(Views, words, "lookalike views", ("data",), check=Views.problems).options
    from lookalike.api.configure import configure
    from lookalike.api.records import loading
    from lookalike.core.config import Config
    from lookalike.core.files import write_atomically
    from lookalike.core.made_here import mark
    from lookalike.data.loading import load
    from lookalike.engine.views import augmentation_of, sheet_of
    from lookalike.methods.find import find_method
    from lookalike.methods.roles import DEFAULT

    machine.prepare(None)
    train = find_method(DEFAULT).Options(data=options.data, batch_size=2, epochs=0)
    load_config = loading(train, {name: getattr(options, name) for name in LOAD_OPTIONS})
    images = load(options.data, options.image_size, options.download, load_config)
    if options.augment is not None:
        train.augment = options.augment
    if options.crop_min is not None:
        train.crop_min = options.crop_min
    names = {"batch_size", "epochs"} | {name for name in ("augment", "crop_min") if getattr(options, name) is not None}
    chosen = configure(Config.asked(DEFAULT, train, names), images, images.training).options
    augmentation = augmentation_of(chosen, images)
    with phase("making views"):
        sheet = sheet_of(images, augmentation, options.images, options.views, options.seed)
    path = Path(options.out)
    kind = _KINDS[path.suffix.lower()]
    write_atomically(path, lambda file: sheet.save(file, kind, **mark(kind)))
    print(f"wrote {path}: originals at the left, views by the augmentation {chosen.augment!r} beside them")
    return 0
