"""What a format is handed, what it gives back, and the export itself.

A format is a module of this room with

    ANY_NETWORK = True or False     whether it takes every encoder
    def export(source, folder)      writes files into an empty folder, checks them and says what came of it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import nn

from lookalike.core import machine, registry
from lookalike.core.errors import LookalikeError
from lookalike.core.process import threads_kept
from lookalike.core.progress import phase
from lookalike.core.words import counted
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor
from lookalike.export.staging import staged
from lookalike.report.images import evenly
from lookalike.runs.folder import RunFolder
from lookalike.runs.reader import RunReader, features_and_index

MOST = 20_000
"""Images of a table or a map, where nobody says."""


@dataclass(frozen=True)
class Outcome:
    """What a format says about the files that it wrote."""

    snippet: str
    """How to open them: lines of Python, or a command."""
    checks: Mapping[str, float] = field(default_factory=dict)
    """Largest differences between the run's features and those of the exported network."""
    messages: tuple[str, ...] = ()
    """Sentences on what was checked, and on what to mind."""


@dataclass(frozen=True)
class Exported(Outcome):
    """What was written."""

    folder: Path = Path()
    files: tuple[str, ...] = ()


@dataclass
class Source:
    """A run that is exported; what a format needs of it is read when it is asked for."""

    run: RunFolder
    out: Path
    """The folder that the files will lie in."""
    most: int = MOST
    threads: int | None = None
    encoder: nn.Module | None = None
    """The network that was given to `train` from Python."""

    @cached_property
    def backbone(self) -> FeatureExtractor:
        """The trained network, on the CPU."""
        return load_feature_extractor(self.run.encoder, "cpu", self.encoder)

    @cached_property
    def reader(self) -> RunReader:
        """Reads what the folder holds beside the network."""
        return RunReader(self.run.path)

    @cached_property
    def features(self) -> np.ndarray:
        """embeddings.npy: float32 [N, D], mapped.

        Raises:
            LookalikeError: it is not there, does not belong to index.csv, or holds what is not finite.
        """
        return features_and_index(self.run, mapped=True)[0]

    @cached_property
    def rows(self) -> np.ndarray:
        """int64: the images of a table; of more than `most` evenly spaced ones."""
        return evenly(np.arange(len(self.features)), self.most)

    @cached_property
    def chosen_features(self) -> np.ndarray:
        """The features of `rows`, float32 in memory."""
        features = np.asarray(self.features[self.rows], np.float32)
        if not np.isfinite(features).all():
            raise LookalikeError(f"the features in {self.run.embeddings} are not finite: train that run again")
        return features

    def column(self, name: str) -> list[str]:
        """A column of index.csv for `rows`, as text that can be written anywhere."""
        return [printable(self.reader.index[row].get(name, "")) for row in self.rows]

    def fewer(self) -> tuple[str, ...]:
        """A sentence where the table has not all images."""
        if len(self.rows) == len(self.features):
            return ()
        return (f"{len(self.rows):,} of {counted(len(self.features), 'image')}, evenly spaced; --images takes more",)


def formats() -> list[str]:
    """Every format, by the names of the modules."""
    return registry.names("export")


@threads_kept()
def export(
    run: RunFolder,
    to: str,
    out: Path | None = None,
    *,
    most: int = MOST,
    threads: int | None = None,
    encoder: nn.Module | None = None,
) -> Exported:
    """Write a run in the form that another library reads, and check it.

    Args:
        run: a run folder.
        to: the format.
        out: folder for the files; default: RUN/export/FORMAT.
        most: images of a table or a map, at the most.
        threads: CPU threads.
        encoder: the network that was given to `train` from Python.

    Raises:
        LookalikeError: the format is unknown, its library is not there, it does not take this network, the run lacks
            something, or the check failed. Nothing has been written then.
    """
    module = registry.find("export", to, "format")
    machine.use_threads(threads)
    folder = out or run.path / "export" / to
    source = Source(run, folder, most, threads, encoder)
    with staged(folder) as work, phase(f"exporting for {to}"):
        outcome = module.export(source, work)
        files = tuple(sorted(path.name for path in work.iterdir()))
    return Exported(outcome.snippet, outcome.checks, outcome.messages, folder, files)


def unsupported(library: str, backbone: FeatureExtractor, valid: str) -> LookalikeError:
    """The error of a network that a library has no model for."""
    name = backbone.spec.name
    others = [to for to in formats() if registry.find("export", to, "format").ANY_NETWORK]
    return LookalikeError(
        f"{library} has no model that {name} would fit; it has {valid}. Formats for every network: "
        f"{', '.join(others)}. Or train with --encoder resnet18."
    )


def printable(text: str) -> str:
    """Text as it can be written: bytes of names that are no UTF-8 show as a replacement character."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
