"""What a run folder says of a run: its options and images, its features and index."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from lookalike.core.damaged import damage
from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically, write_csv
from lookalike.core.home import expand_user
from lookalike.core.method_facts import built_in_methods
from lookalike.core.option_types import mistyped
from lookalike.core.options import TrainOptions, places, spoken
from lookalike.core.passed_over import printable
from lookalike.core.places import absolute_places, find_places, is_there, joined
from lookalike.core.progress import tell
from lookalike.core.words import counted
from lookalike.data.base import Images, LoadConfig
from lookalike.data.loading import load as load_images
from lookalike.data.quality import quality_of_images
from lookalike.methods.find import find_method
from lookalike.runs.folder import RunFolder


def loading(options: TrainOptions, load_options: Mapping[str, object] | None = None) -> LoadConfig:
    """Whether and where decoded images are kept, as the options say, or `load_options` (`core/load_options.py`)."""
    values = {name: getattr(options, name) for name in ("store", "cache", "store_limit", "skip_bad")}
    values |= {name: value for name, value in (load_options or {}).items() if name in values}
    return LoadConfig(values["store"], values["cache"], values["store_limit"], values["skip_bad"])


def default_run(method: str, images: Images) -> str:
    """Where a run goes that was given no name."""
    kind = method if method in built_in_methods() else method.rpartition(":")[2].rpartition(".")[2].lower()
    return f"runs/{kind}-{images.name}"


def options_of(run: RunFolder) -> tuple[str, TrainOptions]:
    """The method and the resolved options that a run was made with."""
    settings = run.settings()
    method = str(settings.pop("method", ""))
    kind = find_method(method, run.folders()).Options
    names = {f.name for f in dataclasses.fields(kind)}
    strange = sorted(set(settings) - names)
    if strange:
        raise LookalikeError(f"{run.config} has keys this version does not know: {', '.join(strange)}")
    wrong = [f"{key} must be {words}" for key, words in mistyped(settings, kind)]
    if wrong:
        raise LookalikeError(damage(run.config, "; ".join(wrong)))
    return method, kind(**settings)


def images_of(run: RunFolder, options: TrainOptions, load_options: Mapping[str, object] | None = None) -> Images:
    """The images a run was trained on, wherever the working folder is.

    Args:
        run: a run folder.
        options: its options.
        load_options: options of loading that were said otherwise (`core/load_options.py`).

    Raises:
        LookalikeError: they are not where they were, or have changed since.
    """
    if run.loaded is not None and not load_options:
        return run.loaded
    download = bool((load_options or {}).get("download", False))
    data = data_of(run, options, download)
    images = load_images(data, options.image_size, download, loading(options, load_options))
    if images.fingerprint != run.status().fingerprint:
        raise LookalikeError(f"{spoken(data)} holds other images now than {run.path} was trained on")
    return images


def data_of(run: RunFolder, options: TrainOptions, download: bool = False) -> str | tuple[str, ...]:
    """The DATA of a run, as it is found from here.

    Args:
        run: a run folder.
        options: its options.
        download: whether what is missing is fetched.

    Raises:
        LookalikeError: it came from Python, or is not there any more; says where it was looked for.
    """
    if not options.data:
        raise LookalikeError(
            f"{run.path} was trained on images that were handed over in Python, which are not kept; "
            f"name images: lookalike embed {shlex.quote(str(run.path))} DATA"
        )
    absolute = run.status().data
    if absolute and all(map(is_there, absolute)):
        return options.data if absolute_places(options.data) == absolute else places(absolute)
    tried = run.folders()
    data = find_places(options.data, tried)
    missing = [place for place in ([data] if isinstance(data, str) else data) if not is_there(place)]
    if missing and not download:
        looked = list(
            dict.fromkeys([*(absolute or ()), *(joined(place, folder) for place in missing for folder in tried)])
        )
        raise LookalikeError(
            f"the images of {run.path} are not where they were: there is no {', '.join(looked)}. If they have moved, "
            f"say where to, which is kept: lookalike embed {shlex.quote(str(run.path))} NEW-PLACE"
        )
    return data


def roots_of(run: RunFolder) -> list[Path]:
    """The folder that the names of a run's images are relative to, where one place holds them and is still there."""
    try:
        data = data_of(run, options_of(run)[1])
    except LookalikeError:
        return []
    place = expand_user(data) if isinstance(data, str) else None
    if place is None or not place.exists():
        return []
    return [place if place.is_dir() else place.parent]


def keep_new_place(run: RunFolder, options: TrainOptions, data: str | Sequence[str], images: Images) -> bool:
    """Keep DATA as the place of a run's own images, where these are the same ones and the old place is gone."""
    if not options.data or images.fingerprint != run.status().fingerprint:
        return False
    try:
        data_of(run, options)
    except LookalikeError:
        run.update(data=absolute_places(data))
        return True
    return False


def write_features(folder: Path, images: Images, features_ND: Tensor) -> None:
    """embeddings.npy and index.csv."""
    array = features_ND.numpy().astype(np.float32)
    write_atomically(folder / "embeddings.npy", lambda file: np.save(file, array))
    write_index(folder, images)


def write_index(folder: Path, images: Images) -> None:
    """index.csv: path, split, label, cluster per row."""
    rows = []
    for i, path in enumerate(images.paths):
        code = -1 if images.labels is None else int(images.labels[i])
        rows.append((path, images.split[i] if images.split else "", images.classes[code] if code >= 0 else "", ""))
    write_csv(folder / "index.csv", ("path", "split", "label", "cluster"), rows)


def keep_survey(run: RunFolder, images: Images) -> None:
    """Put what was found in the images on record, in sentences, for the page of a run that has not learned yet."""
    run.update(survey=[printable(line) for line in quality_of_images(images).lines()])


def write_skipped(file: Path, images: Images) -> None:
    """Files that were passed over, with the reasons, and a word on them; where there are none the file goes."""
    if not images.skipped:
        file.unlink(missing_ok=True)
        return
    write_csv(file, ("path", "reason"), images.skipped)
    n, name = len(images.skipped), images.skipped[0][0]
    tell(f"{counted(n, 'file')} skipped, such as {name!r}; the reasons are in {file}")
