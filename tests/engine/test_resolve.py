"""From recipe, file and flags to every value of a run, and what bundled recipes may say."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from horrors import picture
from lookalike import api
from lookalike.core import registry
from lookalike.core.errors import ConfigurationError
from lookalike.data.base import Images, Loading
from lookalike.data.loading import load
from lookalike.engine import resolve as resolve_module
from lookalike.engine.resolve import choose_recipe, count_distinct, early_problems, recipe_table, recipe_values, resolve
from lookalike.methods.find import find_method

METHODS = registry.names("methods")
RECIPES = list(recipe_table())


def options_of(method: str) -> type:
    return find_method(method).Options


def fields(method: str) -> set[str]:
    return {f.name for f in dataclasses.fields(options_of(method))}


@pytest.mark.parametrize("name", RECIPES)
def test_every_key_of_a_recipe_is_an_option_of_whom_it_is_meant_for(name: str):
    """A key that is no field would be passed over in silence."""
    for key, value in recipe_table()[name].items():
        if isinstance(value, dict):
            assert key in METHODS, f"[{key}]"
            assert set(value) <= fields(key), f"[{key}]"
        else:
            assert all(key in fields(method) for method in METHODS), key


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECIPES)
def test_the_values_of_a_recipe_can_be(name: str, method: str):
    options = options_of(method)(recipe=name, **recipe_values(name, method))
    assert list(early_problems(options)) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECIPES)
def test_the_values_of_a_recipe_are_of_the_type_of_their_option(name: str, method: str):
    kinds = {"int": int, "float": (int, float), "str": str, "bool": bool}
    types = {f.name: f.type.split(" ")[0] for f in dataclasses.fields(options_of(method))}
    for key, value in recipe_values(name, method).items():
        assert isinstance(value, kinds[types[key]]), key
        assert types[key] == "bool" or not isinstance(value, bool), key


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recipe, with a table for a method."""
    made = {"one": {"epochs": 7, "lr": 0.3, "width": 4, "deepcluster": {"epochs": 9, "n_clusters": 12}}}
    monkeypatch.setattr(resolve_module, "recipe_table", lambda: made)


def test_a_method_s_table_stands_over_the_values_at_the_top(table: None):
    assert recipe_values("one", "deepcluster") == {"epochs": 9, "lr": 0.3, "width": 4, "n_clusters": 12}
    assert recipe_values("one", "simclr") == {"epochs": 7, "lr": 0.3, "width": 4}
    assert recipe_values("two", "simclr") == {}


def images(n: int = 64) -> Images:
    pixels = torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Images(pixels, tuple(map(str, range(n))))


def resolved(method: str, explicit: dict, data: Images | None = None):
    data = data or images()
    return resolve(options_of(method)(recipe="one", **explicit), method, set(explicit), data, data.training)


def test_a_recipe_s_table_reaches_the_options_of_its_method(table: None):
    options = resolved("deepcluster", {}, images(200))
    assert (options.epochs, options.n_clusters, options.lr, options.width) == (9, 12, 0.3, 4)
    assert resolved("simclr", {}).epochs == 7
    assert resolved("deepcluster-v2", {"n_clusters": 20}).epochs == 7


def test_what_was_said_stands_over_the_recipe(table: None):
    options = resolved("deepcluster", {"n_clusters": 5, "epochs": 2})
    assert (options.epochs, options.n_clusters) == (2, 5)


def test_the_recipe_s_rate_is_not_another_optimiser_s(table: None):
    assert resolved("deepcluster", {"optimizer": "adamw"}).lr == 1e-3


def test_smaller_views_are_for_networks_that_take_any_size():
    photos = {"recipe": "photos", "augment": "crop-flip"}
    data = images(200)
    scale = {
        encoder: resolve(
            options_of("simclr")(encoder=encoder, **photos), "simclr", set(), data, data.training
        ).view_scale
        for encoder in ("convnet", "timm:vit_tiny_patch16_224")
    }
    assert scale == {"convnet": 0.75, "timm:vit_tiny_patch16_224": 1.0}


def test_values_are_checked_against_the_data(table: None):
    with pytest.raises(ConfigurationError, match="--n-clusters 12 is more than the 11 training images"):
        resolved("deepcluster", {"n_clusters": 12}, images(11))


def test_a_default_number_of_clusters_is_lowered_for_few_images(table: None):
    assert resolved("deepcluster", {}, images(64)).n_clusters == 6
    assert resolved("deepcluster", {"n_clusters": 12}, images(64)).n_clusters == 12


def test_the_batch_fits_the_images_that_are_trained_on(table: None):
    data = images(200)
    options = options_of("simclr")(recipe="one")
    assert resolve(options, "simclr", set(), data, torch.arange(200)).batch_size == 64
    assert resolve(options, "simclr", set(), data, torch.arange(70)).batch_size == 32


def test_distinct_images_are_counted_among_the_rows():
    data = images(6)
    pixels = data.pixels
    pixels[3], pixels[4] = pixels[0], pixels[0]
    pixels[5] = pixels[1]
    pixels[5, 0, 15, 15] ^= 1  # one bit makes another image
    assert count_distinct(data, torch.arange(6)) == 4
    assert count_distinct(data, torch.tensor([0, 3, 4])) == 1
    assert count_distinct(data, torch.tensor([1, 5])) == 2


def test_copies_are_not_counted_where_nobody_asks(monkeypatch: pytest.MonkeyPatch, table: None):
    def never(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(resolve_module, "count_distinct", never)
    assert resolved("simclr", {}).width == 4


def saved(folder: Path, pictures: list[np.ndarray], kind: str) -> Images:
    """Pictures (uint8 [h, w] or [h, w, 3]) saved as colour files and loaded again."""
    folder.mkdir()
    for i, x in enumerate(pictures):
        Image.fromarray(x).convert("RGB").save(folder / f"{i:04d}.{kind}")
    return load(str(folder), how=Loading(store=False))


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize(("side", "recipe"), [(8, "digits"), (28, "mnist"), (40, "photos")])
def test_grey_images_that_were_saved_in_colour_are_grey(tmp_path: Path, kind: str, side: int, recipe: str):
    """Else digits are taken for photos, and learned from mirrored."""
    x_NHW = (load_digits().images[:300] * (255 / 16)).round().astype(np.uint8)
    pictures = [np.array(Image.fromarray(x).resize((side, side), Image.Resampling.BILINEAR)) for x in x_NHW]
    found = saved(tmp_path / "signs", pictures, kind)
    assert found.shape == (3, side, side) and not found.coloured
    options = resolve(options_of("simclr")(), "simclr", set(), found, found.training)
    assert (options.recipe, options.augment) == (recipe, "simclr-small" if recipe == "photos" else "digits")


@pytest.mark.parametrize("grey", [0, 45])
def test_photos_are_in_colour_though_most_of_them_be_grey(tmp_path: Path, grey: int):
    pictures = [np.array(picture(i, (24, 24)).convert("L" if i < grey else "RGB")) for i in range(60)]
    found = saved(tmp_path / "photos", pictures, "jpg")
    assert found.coloured
    assert resolve(options_of("simclr")(), "simclr", set(), found, found.training).recipe == "small-images"


def test_channels_that_are_no_colours_are_not_looked_at():
    x_NCHW = torch.zeros(40, 3, 16, 16, dtype=torch.uint8)
    measured = Images(x_NCHW, tuple(map(str, range(40))), colour=False)
    assert not measured.coloured and choose_recipe(measured) == "small-images"
    assert choose_recipe(Images(x_NCHW, measured.paths)) == "digits"


def test_the_digits_recipe_clusters_into_fewer_groups_than_the_default():
    digits = api.load_images("digits")
    found = {
        method: resolve(options_of(method)(), method, set(), digits, digits.training).n_clusters
        for method in METHODS
        if "n_clusters" in fields(method)
    }
    assert found == {method: recipe_values("digits", method)["n_clusters"] for method in found}
