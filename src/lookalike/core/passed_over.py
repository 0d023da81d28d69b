"""What a source of images holds and does not list: counted by reason and suffix, and told in sentences.

A collection may hold a million files that are no images, so kinds of files are counted and one of each is named. What
may be images to somebody, in formats that are not read, is told loudly, with what can be done about it; what nobody
would miss is one quiet sentence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

_MOST_SUFFIXES = 40  # of a reason; the files of all further ones are counted together
FOLDER = "(folder)"
"""In place of a suffix."""
_FURTHER = "(other suffixes)"
_SHOWN = 5  # suffixes in a sentence


@dataclass(frozen=True)
class _Reason:
    one: str
    many: str
    remedy: str = ""
    """Empty where nobody would miss such files."""
    verbs: tuple[str, str] = ("is passed over", "are passed over")
    """The verb for one and for many."""


_NO_IMAGES = "other"
_REASONS = {
    "heif": _Reason("HEIC photo", "HEIC photos", "to read HEIC: pip install 'lookalike[heif]'"),
    "avif": _Reason("AVIF image", "AVIF images", "a newer Pillow reads them: pip install --upgrade pillow"),
    "jpeg2000": _Reason(
        "JPEG 2000 image",
        "JPEG 2000 images",
        "this Pillow was built without them, the one of PyPI reads them: pip install --force-reinstall pillow",
    ),
    "raw": _Reason("raw file of a camera", "raw files of cameras", "export to JPEG, PNG or TIFF first"),
    "jxl": _Reason("JPEG XL image", "JPEG XL images", "convert to PNG or JPEG first"),
    "layers": _Reason("picture in layers", "pictures in layers", "export to PNG, JPEG or TIFF first"),
    "drawing": _Reason("drawing", "drawings", "export to PNG first"),
    "science": _Reason(
        "medical or scientific image", "medical or scientific images", "convert to TIFF, PNG or .npy first"
    ),
    "video": _Reason("video", "videos", "frames can be taken out as images: ffmpeg -i VIDEO frames/%06d.jpg"),
    "pages": _Reason("document of pages", "documents of pages", "pages can be made images: pdftoppm -png FILE page"),
    "further": _Reason(
        "file of several pages or frames",
        "files of several pages or frames",
        "to use all, make a file of each: magick FILE page-%04d.png",
        ("gives the first", "give the first"),
    ),
    "named": _Reason("archive or array", "archives or arrays", "read when named, as in 'FOLDER/*.zip'"),
    "cloud": _Reason("file that lies in a cloud", "files that lie in a cloud", "download first"),
    "hidden": _Reason("hidden file or folder", "hidden files or folders"),
    "trash": _Reason("trash or system file or folder", "trash or system files or folders"),
    "empty": _Reason("empty folder", "empty folders"),
    "own": _Reason("file or folder that lookalike wrote", "files or folders that lookalike wrote"),
    _NO_IMAGES: _Reason("file that is no image", "files that are no images"),
}


@dataclass(frozen=True)
class PassedOver:
    """Files of one kind that a source holds and does not list."""

    reason: str
    """A short word: "heif", "raw", "video", "hidden", "own", "other"..."""
    suffix: str
    """Of the files, in small letters with the dot, or a whole name where that says more; empty without one."""
    count: int
    example: str
    """The name of one of them, as it can be printed and written."""

    @property
    def loud(self) -> bool:
        """Whether somebody may miss them."""
        return bool(_reason_of(self.reason).remedy)

    def record(self) -> dict[str, object]:
        """Plain JSON, of which `from_records` makes the same."""
        return asdict(self)


class Tally:
    """Counts files while a source is listed."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], str] = {}
        self._suffixes: Counter[str] = Counter()

    def add(self, reason: str, suffix: str, name: str, count: int = 1) -> None:
        """Count a file, or several of its kind."""
        key = (reason, suffix)
        if key not in self._counts:
            if self._suffixes[reason] >= _MOST_SUFFIXES:
                key = (reason, _FURTHER)
            self._suffixes[reason] += key not in self._counts
        self._counts[key] += count
        self._examples.setdefault(key, name)

    def result(self) -> tuple[PassedOver, ...]:
        """What was counted, the most of each reason first."""
        order = list(_REASONS)
        return tuple(
            PassedOver(reason, printable(suffix), n, printable(self._examples[reason, suffix]))
            for (reason, suffix), n in sorted(
                self._counts.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0][1])
            )
        )


def printable(text: str) -> str:
    """Text that can be written anywhere: bytes of a name that are no UTF-8 become escapes."""
    return text.encode(errors="backslashreplace").decode()


def merged(parts: Iterable[tuple[str, Iterable[PassedOver]]]) -> tuple[PassedOver, ...]:
    """The counts of several places, each with a name that goes before that of its examples."""
    tally = Tally()
    for prefix, kinds in parts:
        for kind in kinds:
            tally.add(kind.reason, kind.suffix, f"{prefix}/{kind.example}" if prefix else kind.example, kind.count)
    return tally.result()


def from_records(values: object) -> tuple[PassedOver, ...]:
    """The kinds that `record` has written. Records of another form are left out: a later version may write them."""
    kinds = []
    for value in values if isinstance(values, list) else ():
        if isinstance(value, Mapping):
            try:
                kind = PassedOver(**value)
            except TypeError:
                continue
            if isinstance(kind.count, int) and all(
                isinstance(t, str) for t in (kind.reason, kind.suffix, kind.example)
            ):
                kinds.append(kind)
    return tuple(kinds)


def sentences(kinds: Iterable[PassedOver]) -> tuple[list[str], list[str]]:
    """Sentences about ignored files: those with a remedy, and those without."""
    by_reason: dict[str, list[PassedOver]] = {}
    for kind in kinds:
        by_reason.setdefault(kind.reason if kind.reason in _REASONS else _NO_IMAGES, []).append(kind)
    loud, quiet = [], []
    for reason, same in by_reason.items():
        n, words = sum(kind.count for kind in same), _reason_of(reason)
        start = f"{n:,} {words.one if n == 1 else words.many}"
        if words.remedy:
            verb = words.verbs[n != 1]
            loud.append(f"{start} {verb} ({suffixes(same)}; {same[0].example!r}); {words.remedy}")
        elif reason == _NO_IMAGES:
            quiet.append(f"{start} ({suffixes(same)})")
        elif {kind.suffix for kind in same} == {FOLDER}:
            quiet.append(f"{start} ({same[0].example!r})")
        else:
            quiet.append(f"{start} ({suffixes(same)}; {same[0].example!r})")
    return loud, [f"passed over: {'; '.join(quiet)}"] if quiet else []


def why_not(reason: str) -> str:
    """Why a file that was named by itself is not read, with the remedy; empty where it is simply no image."""
    words = _reason_of(reason)
    return f"{words.one}: {words.remedy}" if words.remedy else ""


def suffixes(kinds: Iterable[PassedOver], most: int = _SHOWN) -> str:
    """How many there are of each suffix, the commonest first: "60 x .heic, 2 x (no suffix)"."""
    counts: Counter[str] = Counter()
    for kind in kinds:
        counts[kind.suffix or "(no suffix)"] += kind.count
    listed = [f"{n:,} x {_plain(suffix)}" for suffix, n in counts.most_common(most)]
    return ", ".join(listed + (["..."] if len(counts) > most else []))


def _plain(suffix: str) -> str:
    return suffix if suffix.isprintable() else repr(suffix)


def _reason_of(reason: str) -> _Reason:
    return _REASONS.get(reason) or _REASONS[_NO_IMAGES]
