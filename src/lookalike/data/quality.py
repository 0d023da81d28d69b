"""What is wrong with a collection, and what is merely so: counted while its images are decoded, told in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from lookalike.core.errors import LookalikeError
from lookalike.core.passed_over import PassedOver, sentences
from lookalike.core.words import agreeing, counted
from lookalike.data import padded
from lookalike.data.decode import Header, Unreadable, decode_all, header, reason_of
from lookalike.data.examined import Examined
from lookalike.data.image_index import ImageIndex, ImageRef, NoneReadable, Raw

if TYPE_CHECKING:
    from lookalike.data.base import Images

MOST_BAD = 0.2
"""Share of unreadable images above which a run stops and asks."""
_FLAT = 2.0  # grey levels of standard deviation below which an image shows next to nothing
_EXAMPLES = 3
_THIN = 8.0  # longer side over shorter from which an image is called thin
_UNEVEN = 10.0  # largest class over smallest from which classes are called uneven


def examine(entry: ImageRef, side: int, channels: int | None = None) -> tuple[np.ndarray | None, Examined]:
    """Decode one image and say what it is; nothing is raised. Called from several threads.

    Args:
        entry: the image.
        side: pixels that the longer side has at most.
        channels: of the result; None: the image's own.

    Returns:
        uint8 [h, w, channels], or None where it cannot be read; and a record of the image.
    """
    return examine_all([entry], side, channels)[0]


def examine_all(
    entries: Sequence[ImageRef], side: int, channels: int | None = None
) -> list[tuple[np.ndarray | None, Examined]]:
    """The same of several images, in less time."""
    headers: list[tuple[Header | None, str | None]] = []

    def opened() -> Iterator[Raw]:
        """One file is open at a time."""
        for entry in entries:
            raw, head, reason = _opened(entry)
            headers.append((head, reason))
            if raw is not None:
                yield raw

    decoded = iter(decode_all(opened(), side, channels))
    results: list[tuple[np.ndarray | None, Examined]] = []
    for entry, (head, reason) in zip(entries, headers, strict=True):
        image = next(decoded) if reason is None else Unreadable(reason)
        if isinstance(image, Unreadable):
            results.append((None, Examined(entry.name, head, reason_of(image), None, 0.0)))
        else:
            results.append((image, Examined(entry.name, head, None, digest(image), _spread(image))))
    return results


def _opened(entry: ImageRef) -> tuple[Raw | None, Header | None, str | None]:
    """An image that is opened and its header, or why it cannot be."""
    raw: Raw | None = None
    try:
        raw = entry.open()
        return raw, header(raw), None
    except Exception as error:
        if raw is not None and not isinstance(raw, np.ndarray):
            raw.close()
        return None, None, reason_of(error)


def _spread(pixels: np.ndarray) -> float:
    """The standard deviation, in single precision and half the time that numpy's own takes."""
    x = pixels.astype(np.float32).ravel("K")
    x -= x.mean()
    return float(np.sqrt(x.dot(x) / x.size))


def digest(pixels: np.ndarray) -> bytes:
    """16 bytes of BLAKE2b over pixels (uint8 [h, w, C]) and their shape, as for images in memory."""
    return padded.digest(pixels.transpose(2, 0, 1))


@dataclass(frozen=True)
class Quality:
    """A collection in numbers, with examples by name."""

    name: str
    listed: int
    """Images that were found, readable or not."""
    good: int
    """Images that can be used."""
    unreadable: tuple[tuple[str, tuple[str, ...]], ...]
    """Reason and names, the commonest reason first."""
    duplicates: tuple[tuple[str, ...], ...]
    """Groups of images of equal pixels."""
    flat: tuple[str, ...]
    """Images of nearly one value."""
    smallest: tuple[str, int, int] | None
    """Name, width and height of the image of the fewest pixels."""
    largest: tuple[str, int, int] | None
    common_size: tuple[int, int, int] | None
    """Width, height, and how many images have them."""
    sizes: int
    """How many different sizes there are."""
    thinnest: tuple[str, int, int] | None
    """The image whose sides differ most."""
    channels: tuple[tuple[int, int], ...]
    """Number of channels and how many images have it, the commonest first."""
    bits: tuple[int, ...]
    """Bits of a value that occur."""
    classes: tuple[tuple[str, int], ...]
    """Name and number of images, the largest first; empty where there are no labels."""
    unlabelled: int
    """Images without a label where others have one."""
    splits: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]
    passed_over: tuple[PassedOver, ...] = ()
    """What is there beside the images and was not read."""

    @property
    def bad(self) -> int:
        """Images that cannot be used, among them what was refused before it was opened."""
        return sum(len(names) for _, names in self.unreadable)

    def to_json(self) -> dict[str, object]:
        """Plain JSON; names as they are, examples in full."""
        return {**asdict(self), "bad": self.bad}

    def lines(self) -> list[str]:
        """Sentences, the gravest first, each with numbers and examples, and with a remedy where there is one."""
        lines = [f"{counted(self.good, 'image')} can be used" + (f", {self.bad:,} cannot" if self.bad else "")]
        lines += [f"{len(names):,} skipped: {reason} ({_examples(names)})" for reason, names in self.unreadable]
        loud, quiet = sentences(self.passed_over)
        lines += loud + self._same() + self._sizes() + self._values() + self._labels()
        return lines + [f"note: {note}" for note in self.notes] + quiet

    def _same(self) -> list[str]:
        lines = []
        if self.duplicates:
            copies = sum(map(len, self.duplicates)) - len(self.duplicates)
            lines.append(
                f"{counted(copies, 'image')} "
                f"{agreeing(copies, 'is a copy of another', 'are copies of others')}, pixel by pixel "
                f"({_examples(self.duplicates[0])}); "
                "harmless when few, but a copy in the test split makes figures too good: remove copies there"
            )
        if self.flat:
            lines.append(
                f"{counted(len(self.flat), 'image')} {agreeing(len(self.flat), 'is', 'are')} nearly of one "
                f"value ({_examples(self.flat)}); "
                "they end up in a group of their own: remove them if they are failed pictures"
            )
        return lines

    def _sizes(self) -> list[str]:
        if self.smallest is None or self.largest is None or self.common_size is None or self.thinnest is None:
            return []
        width, height, n = self.common_size
        if self.sizes == 1:
            return [f"{agreeing(n, 'it is', 'all are')} {width} x {height} pixels"]
        lines = [
            f"{self.sizes:,} sizes, from {self.smallest[1]} x {self.smallest[2]} ({self.smallest[0]!r}) to "
            f"{self.largest[1]} x {self.largest[2]} pixels ({self.largest[0]!r}); "
            f"most common is {width} x {height} ({counted(n, 'image')})"
        ]
        name, width, height = self.thinnest
        if max(width, height) >= _THIN * min(width, height):
            lines.append(
                f"the thinnest image is {width} x {height} pixels ({name!r}): little of it is left when scaled"
            )
        return lines

    def _values(self) -> list[str]:
        counts = dict(self.channels)
        lines = []
        if set(counts) == {1, 3}:
            are = agreeing(counts[1], "is", "are")
            lines.append(f"{counts[1]:,} {are} grey and {counts[3]:,} in colour: grey ones are used as colour")
        elif len(counts) > 1:
            kinds = ", ".join(f"{n:,} with {c}" for c, n in self.channels)
            lines.append(f"numbers of channels differ ({kinds}): one collection has one number, keep them apart")
        elif counts:
            ((c, n),) = self.channels
            have = agreeing(n, "it has", "all have")
            lines.append(
                agreeing(n, "it is grey", "all are grey")
                if c == 1
                else f"{have} three channels"
                if c == 3
                else f"{have} {counted(c, 'channel')}"
            )
        if any(b > 8 for b in self.bits):
            lines.append("values of more than 8 bits are stretched to 8, between each image's own 0.5 % and 99.5 %")
        return lines

    def _labels(self) -> list[str]:
        lines = [", ".join(f"{n:,} in {part}" for part, n in self.splits)] if self.splits else []
        if not self.classes:
            return lines
        (large, most), (small, fewest) = self.classes[0], self.classes[-1]
        words = (
            f"{counted(len(self.classes), 'class')}, from {counted(fewest, 'image')} ({small!r}) to "
            f"{most:,} ({large!r})"
        )
        if most >= _UNEVEN * fewest:
            words += ": uneven, so accuracy tells of the large classes most"
        lines.append(words)
        lonely = [name for name, n in self.classes if n < 2]
        if lonely:
            lines.append(
                f"{counted(len(lonely), 'class')} {agreeing(len(lonely), 'has', 'have')} a single image "
                f"({_examples(lonely)}): too few to test on"
            )
        if self.unlabelled:
            lines.append(
                f"{counted(self.unlabelled, 'image')} {agreeing(self.unlabelled, 'has', 'have')} no label: "
                "trained on, left out of evaluation"
            )
        return lines


def quality_of(image_index: ImageIndex, examined: Sequence[Examined]) -> Quality:
    """The quality of an index whose entries were examined, in the same order."""
    good = [e for e in examined if e.reason is None]
    headers = [(e.name, e.header.width, e.header.height) for e in good if e.header is not None]
    by_reason: dict[str, list[str]] = {}
    for name, reason in (*image_index.refused, *((e.name, e.reason) for e in examined if e.reason is not None)):
        by_reason.setdefault(reason, []).append(name)
    same: dict[bytes, list[str]] = {}
    for e in good:
        if e.digest is not None:
            same.setdefault(e.digest, []).append(e.name)
    sizes = Counter((w, h) for _, w, h in headers)
    common = sizes.most_common(1)
    labels = [
        label
        for e, label in zip(examined, image_index.labels or (), strict=bool(image_index.labels))
        if e.reason is None
    ]
    return Quality(
        name=image_index.name,
        listed=len(examined) + len(image_index.refused),
        good=len(good),
        unreadable=tuple((r, tuple(names)) for r, names in sorted(by_reason.items(), key=lambda item: -len(item[1]))),
        duplicates=tuple(tuple(names) for names in same.values() if len(names) > 1),
        flat=tuple(e.name for e in good if e.spread < _FLAT),
        smallest=min(headers, key=lambda h: (h[1] * h[2], h[0]), default=None),
        largest=max(headers, key=lambda h: (h[1] * h[2], h[0]), default=None),
        common_size=(*common[0][0], common[0][1]) if common else None,
        sizes=len(sizes),
        thinnest=max(headers, key=lambda h: (max(h[1:]) / min(h[1:]), h[0]), default=None),
        channels=tuple(Counter(e.header.channels for e in good if e.header is not None).most_common()),
        bits=tuple(sorted({e.header.bits for e in good if e.header is not None})),
        classes=tuple(sorted(Counter(label for label in labels if label is not None).items(), key=_largest_first)),
        unlabelled=sum(label is None for label in labels),
        splits=_splits(image_index, examined),
        notes=image_index.notes,
        passed_over=image_index.passed_over,
    )


def quality_of_images(images: Images) -> Quality:
    """The quality of a data set by its pixels and labels, also where it was not decoded from files."""
    if images.listed is not None and len(images.examined):
        return quality_of(images.listed, images.examined)
    same: dict[bytes, list[str]] = {}
    for name, key in zip(images.paths, images.digests, strict=True):
        same.setdefault(key.tobytes(), []).append(name)
    height, width = images.pixels.shape[2:]
    sizes = [(height, width)] * len(images) if images.sizes is None else [(h, w) for h, w in images.sizes.tolist()]
    named = [(name, w, h) for name, (h, w) in zip(images.paths, sizes, strict=True)]
    common = Counter((w, h) for h, w in sizes)
    labels = [] if images.labels is None else images.labels.tolist()
    counts = Counter(images.classes[label] for label in labels if label >= 0)
    return Quality(
        name=images.name,
        listed=len(images) + len(images.skipped),
        good=len(images),
        unreadable=(),
        duplicates=tuple(tuple(names) for names in same.values() if len(names) > 1),
        flat=(),
        smallest=min(named, key=lambda h: (h[1] * h[2], h[0]), default=None),
        largest=max(named, key=lambda h: (h[1] * h[2], h[0]), default=None),
        common_size=(*common.most_common(1)[0][0], common.most_common(1)[0][1]) if common else None,
        sizes=len(common),
        thinnest=max(named, key=lambda h: (max(h[1:]) / min(h[1:]), h[0]), default=None),
        channels=((images.shape[0], len(images)),),
        bits=(8,),
        classes=tuple(sorted(counts.items(), key=_largest_first)),
        unlabelled=sum(label < 0 for label in labels) if counts else 0,
        splits=tuple(sorted(Counter(images.split or ()).items(), reverse=True)),
        notes=(),
    )


def too_many_bad(quality: Quality, most: float = MOST_BAD) -> None:
    """Stop where more than the share `most` of the images cannot be used.

    Raises:
        LookalikeError: with numbers, the reasons and examples, and the flag that goes on all the same.
    """
    if quality.good and quality.bad <= most * quality.listed:
        return
    reasons = "; ".join(f"{reason} ({_examples(names)})" for reason, names in quality.unreadable[:_EXAMPLES])
    head = f"{quality.bad:,} of {counted(quality.listed, 'image')} in {quality.name} cannot be read: {reasons}"
    if not quality.good:
        refused = [(name, reason) for reason, names in quality.unreadable for name in names]
        raise NoneReadable(f"{head}. None is left to use.", refused)
    raise LookalikeError(f"{head}. To go on with the other {quality.good:,}: --skip-bad")


def _largest_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _splits(image_index: ImageIndex, examined: Sequence[Examined]) -> tuple[tuple[str, int], ...]:
    if image_index.split is None:
        return ()
    counts = Counter(part for e, part in zip(examined, image_index.split, strict=True) if e.reason is None)
    return tuple(sorted(counts.items(), reverse=True))


def _examples(names: Iterable[str]) -> str:
    """A few names, quoted so that any name can be printed."""
    listed = list(names)
    return ", ".join(map(repr, listed[:_EXAMPLES])) + (", ..." if len(listed) > _EXAMPLES else "")
