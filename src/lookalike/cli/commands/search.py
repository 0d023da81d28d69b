"""The images of a run that are nearest to new images."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lookalike.cli.parse import parse
from lookalike.core.load_options import LoadOptions, said_load_options
from lookalike.core.names import as_spelt
from lookalike.core.options import at_least
from lookalike.core.words import counted
from lookalike.runs.folder import RunFolder

if TYPE_CHECKING:  # torch is loaded when a search begins, not for --help
    from lookalike.api import OtherFeatures
    from lookalike.run import Hit

USAGE = "lookalike search RUN IMAGE..."


@dataclass(kw_only=True)
class Search(LoadOptions):
    """Find the images of a run that are nearest to new ones by cosine similarity of features (1 is the same)."""

    run: str = ""
    """Run folder."""
    image: tuple[str, ...] = ()
    """Image files, or folders of them."""
    n: int = 20
    """Images to find for each; -n for short."""
    features: Literal["trained", "untrained", "pixels", "histograms"] = "trained"
    """What images are compared by: the trained network, the same untrained, raw pixels, or colour histograms with
    coarse thumbnails."""
    html: str | None = None
    """Write a small page with pictures to this file as well."""
    json: bool = False
    """Print JSON instead of tables."""
    device: str = "auto"
    """cpu, cuda, mps or auto."""
    threads: int | None = None
    """CPU threads; default: all cores."""

    def problems(self) -> Iterator[str]:
        """Every value that cannot be, in words."""
        if not self.run:
            yield f"no run named: {USAGE}"
        elif not self.image:
            yield f"no image named: {USAGE}"
        yield from at_least(self, 1, "n", "threads")
        yield from super().problems()


def run(words: list[str]) -> int:
    """Search and show what was found."""
    parsed = parse(Search, long(words), "lookalike search", ("run", "image"), check=Search.problems)
    options, load_options = parsed.options, said_load_options(parsed.options, parsed.sources)
    folder = RunFolder.existing(options.run)
    from lookalike import api
    from lookalike.core import machine
    from lookalike.inputs import entering
    from lookalike.neighbors.index import Index
    from lookalike.run import load

    machine.prepare(options.threads)
    loaded = load(options.run, options.device)
    files, unread = image_files(options.image)
    # what is wrong with the run is said before images are read
    other = None if options.features == api.TRAINED else _other(folder, options, load_options)
    index = loaded.searched if other is None else Index(other.of_run())
    broken: dict[int, str] = {}
    images = loaded.read(files, broken)
    unread |= {files[row]: reason for row, reason in broken.items()}
    files = [file for row, file in enumerate(files) if row not in broken]
    for file, reason in unread.items():
        print(f"{_plain(file)} cannot be read and is passed over: {reason}", file=sys.stderr)
    taken = loaded.backbone.spec.channels if other is None else other.channels
    pixels, note = entering(images, taken)
    query_QD = loaded.backbone.features(pixels) if other is None else other.extract(pixels)
    hits = loaded.search_features(query_QD.numpy(), options.n, index)
    notes = [note] if note else []
    notes += [f"{file} cannot be read: {reason}" for file, reason in unread.items()]
    if options.json:
        queries = as_json(files, hits)
        print(json.dumps({"run": options.run, "notes": notes, "queries": queries, "unread": unread}, indent=2))
    else:
        print(f"{counted(len(index), 'image')} of {options.run}" + (f"; {note}" if note else ""))
        show(files, hits)
    if options.html is not None:
        write_html(Path(options.html), options.run, files, hits, notes)
        if not options.json:
            print(f"page: {options.html}")
    better = api.better_for_search(folder) if other is None else None
    if better is not None:
        again = ["lookalike", "search", options.run, *options.image, "--features", better[0]]
        print(f"{better[0]} may serve better: {better[1]}. Try: {shlex.join(again)}", file=sys.stderr)
    return 0


def _other(folder: RunFolder, options: Search, load_options: Mapping[str, object]) -> OtherFeatures:
    """Features of the run's images that are not the trained ones.

    Raises:
        LookalikeError: the images are not those of index.csv.
    """
    from lookalike import api

    other = api.other_features(folder, options.features, options.device, load_options)
    api.raise_other_images(folder, other.images, api.index_of(folder))
    return other


def long(words: Sequence[str]) -> list[str]:
    """The words with `-n 5`, as every search of this kind has it, spelt as the option is."""
    return ["--n" if word == "-n" else word for word in words]


def image_files(places: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The image files among the places and in the folders among them; and those that cannot be read, with the reasons.

    Raises:
        LookalikeError: none is there, or a folder holds none.
    """
    from lookalike.core.errors import LookalikeError
    from lookalike.data.folder import image_index

    files: list[str] = []
    unread: dict[str, str] = {}
    for place in map(as_spelt, places):
        if Path(place).is_dir():
            listed = image_index(Path(place))
            files += [str(Path(place) / entry.name) for entry in listed.entries]
            unread |= {str(Path(place) / name): reason for name, reason in listed.refused}
        elif Path(place).is_file():
            files.append(place)
        else:
            unread[place] = "no such image"
    if not files:
        named = "; ".join(f"{reason}: {place}" for place, reason in unread.items())
        raise LookalikeError(f"{named} (working folder {Path.cwd()})")
    return files, unread


def as_json(files: Sequence[str], hits_of: Sequence[Sequence[Hit]]) -> list[dict[str, object]]:
    """Each image with its hits."""
    keys = ("row", "path", "similarity", "distance", "label", "cluster")
    return [
        {"image": file, "hits": [{key: getattr(hit, key) for key in keys} for hit in hits]}
        for file, hits in zip(files, hits_of, strict=True)
    ]


def show(files: Sequence[str], hits_of: Sequence[Sequence[Hit]]) -> None:
    """A table for each image."""
    for file, hits in zip(files, hits_of, strict=True):
        print(f"\n{_plain(file)}")
        width = max((len(_plain(hit.label)) for hit in hits), default=0)
        for place, hit in enumerate(hits, 1):
            label = f"  {_plain(hit.label):<{width}}" if width else ""
            print(f"  {place:>4}  {hit.similarity:6.3f}{label}  {_plain(hit.path)}")


def _plain(text: str) -> str:
    """A name as a terminal may show it: control characters, which could move its cursor, are written out."""
    decoded = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in decoded)


def write_html(
    path: Path, run: str, files: Sequence[str], hits_of: Sequence[Sequence[Hit]], notes: Sequence[str]
) -> None:
    """The page with pictures."""
    from lookalike.report.search import Pictures, SearchHit, picture_of, write_search

    pictures = Pictures(Path(run))
    asked = [
        (
            SearchHit(file, picture_of(Path(file))),
            [
                SearchHit(hit.path, pictures.picture(hit.row, hit.path), hit.row, hit.similarity, hit.label)
                for hit in hits
            ],
        )
        for file, hits in zip(files, hits_of, strict=True)
    ]
    write_search(path, f"Nearest images in {run}", asked, notes)
