"""From what the user said to every value a run needs: recipe, sizes, precision."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any, TypeVar

from torch import Tensor

from lookalike.augment.recipes import recipe_names
from lookalike.core import machine, own_code
from lookalike.core.errors import LookalikeError, did_you_mean
from lookalike.core.options import AUTO, DEFAULT_LR, OWN_VIEWS, TrainOptions, raise_problems, spoken
from lookalike.core.passed_over import PassedOver, sentences
from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.encoders.base import name_problem
from lookalike.engine.pacing import CLOCK, read_legs
from lookalike.methods.find import find_method

O = TypeVar("O", bound=TrainOptions)  # noqa: E741

_ROWS_PER_CLUSTER = 10  # images of a cluster below which a default number of clusters is lowered
FEWEST = 16  # images of a batch below which contrast has nothing to contrast


def recipe_table() -> dict[str, dict[str, Any]]:
    """The recipes that come with the package, by name."""
    folder = files("lookalike") / "recipes"
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {f.name.removesuffix(".toml"): tomllib.loads(f.read_text(encoding="utf-8")) for f in found}


def recipe_values(recipe: str, method: str) -> dict[str, Any]:
    """What a recipe says for a method: its values for every method, and over them those that the method has itself."""
    table = recipe_table().get(recipe, {})
    common = {key: value for key, value in table.items() if not isinstance(value, dict)}
    own = find_method(method).presets
    return common | dict(own.get("*", {})) | dict(own.get(recipe, {})) | table.get(method, {})


def count_distinct(images: Images, rows: Tensor) -> int:
    """How many of these images differ in some pixel."""
    return len(set(map(bytes, images.digests[rows.numpy()])))


def choose_recipe(images: Images) -> str:
    """The recipe for images of this kind; what is grey is so however many channels it was saved in."""
    channels, height, _ = images.shape
    grey = channels == 1 or (channels == 3 and images.colour and not images.coloured)
    if grey and height <= 32:
        return "digits" if height < 24 else "mnist"
    return "small-images" if height <= 32 else "photos"


def early_problems(options: TrainOptions) -> Iterator[str]:
    """Mistakes that can be found before any image is read; all of them."""
    yield from options.problems()
    if options.recipe != "auto" and options.recipe not in recipe_table():
        yield f"unknown recipe {options.recipe!r}: {did_you_mean(options.recipe, ['auto', *recipe_table()])}"
    if own_code.is_own(options.augment):
        own_code.find(options.augment)
    elif options.augment not in (known := [AUTO, OWN_VIEWS, *recipe_names()]):
        yield f"unknown augmentation {options.augment!r}: {did_you_mean(options.augment, known)}"
    if options.schedule not in (None, CLOCK):
        try:
            read_legs(str(options.schedule))
        except ValueError as error:
            yield f"--schedule {error}"
    problem = name_problem(options.encoder)
    if problem and not options.encoder.startswith("python:"):
        yield problem


def resolve(options: O, method: str, explicit: set[str], images: Images, rows: Tensor) -> O:
    """Options with every `auto` and default made concrete; what was said explicitly stays.

    Args:
        options: as the user said them.
        method: its name; a recipe may have a table of values for it.
        explicit: the names of what the user said.
        images: the data set.
        rows: those of its images that are trained on.

    Raises:
        ConfigurationError: values that cannot be, all of them at once.
        LookalikeError: too few images for a batch.
    """
    changes: dict[str, Any] = {"recipe": choose_recipe(images) if options.recipe == "auto" else options.recipe}
    fields = {f.name for f in dataclasses.fields(options)}
    # Recipes were tuned with sgd, and their rate means nothing to another optimiser;
    # and their smaller views with networks of ours, which take any size; a transformer of another library may not.
    foreign = {"lr"} if options.optimizer != "sgd" else set()
    foreign |= {"view_scale"} if ":" in options.encoder else set()
    for key, value in recipe_values(changes["recipe"], method).items():
        if key in fields and key not in explicit and key not in foreign:
            changes[key] = value
    options = dataclasses.replace(options, **changes)
    n = len(rows)
    if "n_clusters" in fields and "n_clusters" not in explicit:  # a default made for thousands of images
        clusters: dict[str, Any] = {"n_clusters": _clusters(options, n)}
        options = dataclasses.replace(options, **clusters)
    problems = options.data_problems(n, lambda: count_distinct(images, rows))
    raise_problems([*early_problems(options), *problems])
    device = machine.resolve_device(options.device)
    return dataclasses.replace(
        options,
        image_size=images.shape[1],
        lr=options.lr if options.lr is not None else DEFAULT_LR[options.optimizer],
        batch_size=_batch(options, "batch_size" in explicit, n, images.listed.passed_over if images.listed else ()),
        precision=machine.resolve_precision(options.precision, device),
        check_every=options.check_every or max(1, round(options.epochs / 10)),
    )


def _batch(options: TrainOptions, explicit: bool, n: int, passed_over: Iterable[PassedOver] = ()) -> int:
    """The batch size: what was asked for, or the default made smaller for a small collection."""
    if options.batch_size <= n or options.epochs == 0:
        return options.batch_size
    if explicit or n < 2 * FEWEST:
        raise LookalikeError(
            f"{spoken(options.data) or 'the data'} has {counted(n, 'training image')}, fewer than "
            + (f"--batch-size {options.batch_size}" if explicit else f"the {2 * FEWEST} that training needs")
            + ("; add images or name a smaller batch" if explicit else "; add images")
            + "".join(f". {sentence}" for sentence in sentences(passed_over)[0])
        )
    return max(FEWEST, 1 << ((n // 2).bit_length() - 1))


def _clusters(options: Any, n: int) -> int:
    """The recipe's number of clusters, made smaller for a small collection."""
    return min(options.n_clusters, max(2, n // _ROWS_PER_CLUSTER))
