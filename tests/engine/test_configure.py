"""From defaults, presets, file and flags to every value of a run, where it came from, and what presets may say."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from fakes import configured
from horrors import picture
from lookalike import api
from lookalike.core import registry
from lookalike.core.config import Config, Layer
from lookalike.core.errors import ConfigurationError
from lookalike.data.base import Images, LoadConfig
from lookalike.data.loading import load
from lookalike.engine import presets
from lookalike.engine.presets import choose_preset, count_distinct, early_problems, preset_table, preset_values
from lookalike.methods.find import find_method

METHODS = registry.names("methods")
RECIPES = list(preset_table())


def options_of(method: str) -> type:
    return find_method(method).Options


def fields(method: str) -> set[str]:
    return {f.name for f in dataclasses.fields(options_of(method))}


@pytest.mark.parametrize("name", RECIPES)
def test_every_key_of_a_recipe_is_an_option_of_whom_it_is_meant_for(name: str):
    """A key that is no field would be passed over in silence."""
    for key, value in preset_table()[name].items():
        if isinstance(value, dict):
            assert key in METHODS, f"[{key}]"
            assert set(value) <= fields(key), f"[{key}]"
        else:
            assert all(key in fields(method) for method in METHODS), key


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECIPES)
def test_the_values_of_a_recipe_can_be(name: str, method: str):
    options = options_of(method)(preset=name, **preset_values(name, method))
    assert list(early_problems(options)) == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECIPES)
def test_the_values_of_a_recipe_are_of_the_type_of_their_option(name: str, method: str):
    kinds = {"int": int, "float": (int, float), "str": str, "bool": bool}
    types = {f.name: f.type.split(" ")[0] for f in dataclasses.fields(options_of(method))}
    for key, value in preset_values(name, method).items():
        assert isinstance(value, kinds[types[key]]), key
        assert types[key] == "bool" or not isinstance(value, bool), key


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """One recipe more, with a table for a method."""
    made = presets.preset_table() | {
        "one": {"epochs": 7, "lr": 0.3, "width": 4, "deepcluster": {"epochs": 9, "n_clusters": 12}}
    }
    monkeypatch.setattr(presets, "preset_table", lambda: made)


def test_a_method_s_table_stands_over_the_values_at_the_top(table: None):
    assert preset_values("one", "deepcluster") == {"epochs": 9, "lr": 0.3, "width": 4, "n_clusters": 12}
    assert preset_values("one", "simclr") == {"epochs": 7, "lr": 0.3, "width": 4}
    assert preset_values("two", "simclr") == {}


def images(n: int = 64) -> Images:
    pixels = torch.randint(0, 256, (n, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Images(pixels, tuple(map(str, range(n))))


def resolved(method: str, explicit: dict, data: Images | None = None):
    data = data or images()
    return configured(options_of(method)(preset="one", **explicit), method, set(explicit), data, data.training)


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
    photos = {"preset": "photos", "augment": "crop-flip"}
    data = images(200)
    scale = {
        encoder: configured(
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
    options = options_of("simclr")(preset="one")
    assert configured(options, "simclr", set(), data, torch.arange(200)).batch_size == 64
    assert configured(options, "simclr", set(), data, torch.arange(70)).batch_size == 32


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

    monkeypatch.setattr(sys.modules["lookalike.api.configure"], "count_distinct", never)
    assert resolved("simclr", {}).width == 4


def saved(folder: Path, pictures: list[np.ndarray], kind: str) -> Images:
    """Pictures (uint8 [h, w] or [h, w, 3]) saved as colour files and loaded again."""
    folder.mkdir()
    for i, x in enumerate(pictures):
        Image.fromarray(x).convert("RGB").save(folder / f"{i:04d}.{kind}")
    return load(str(folder), config=LoadConfig(store=False))


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize(("side", "recipe"), [(8, "digits"), (28, "mnist"), (40, "photos")])
def test_grey_images_that_were_saved_in_colour_are_grey(tmp_path: Path, kind: str, side: int, recipe: str):
    """Else digits are taken for photos, and learned from mirrored."""
    x_NHW = (load_digits().images[:300] * (255 / 16)).round().astype(np.uint8)
    pictures = [np.array(Image.fromarray(x).resize((side, side), Image.Resampling.BILINEAR)) for x in x_NHW]
    found = saved(tmp_path / "signs", pictures, kind)
    assert found.shape == (3, side, side) and not found.coloured
    options = configured(options_of("simclr")(), "simclr", set(), found, found.training)
    assert (options.preset, options.augment) == (recipe, "simclr-small" if recipe == "photos" else "digits")


@pytest.mark.parametrize("grey", [0, 45])
def test_photos_are_in_colour_though_most_of_them_be_grey(tmp_path: Path, grey: int):
    pictures = [np.array(picture(i, (24, 24)).convert("L" if i < grey else "RGB")) for i in range(60)]
    found = saved(tmp_path / "photos", pictures, "jpg")
    assert found.coloured
    assert configured(options_of("simclr")(), "simclr", set(), found, found.training).preset == "small-images"


def test_channels_that_are_no_colours_are_not_looked_at():
    x_NCHW = torch.zeros(40, 3, 16, 16, dtype=torch.uint8)
    measured = Images(x_NCHW, tuple(map(str, range(40))), colour=False)
    assert not measured.coloured and choose_preset(measured) == "small-images"
    assert choose_preset(Images(x_NCHW, measured.paths)) == "digits"


def test_the_digits_recipe_clusters_into_fewer_groups_than_the_default():
    digits = api.load_images("digits")
    found = {
        method: configured(options_of(method)(), method, set(), digits, digits.training).n_clusters
        for method in METHODS
        if "n_clusters" in fields(method)
    }
    assert found == {method: preset_values("digits", method)["n_clusters"] for method in found}


def test_each_value_knows_where_it_came_from(table: None):
    asked = Config.asked(
        "deepcluster",
        options_of("deepcluster")(preset="one", momentum=0.5),
        {"preset": "command line", "momentum": "x"},
    )
    data = images(200)
    config = api.configure(asked, data, data.training)
    values = {"epochs": "preset one, for deepcluster", "width": "preset one", "lr": "preset one", "momentum": "x"}
    values |= {"preset": "command line", "batch_size": "images", "image_size": "images", "normalize": "images"}
    values |= {"check_every": "--epochs", "seed": "default", "n_clusters": "preset one, for deepcluster"}
    assert {name: config.source(name) for name in values} == values
    assert config.source("precision").startswith("device ")
    assert config.source("schedule") == "default"
    assert asked.options == options_of("deepcluster")(preset="one", momentum=0.5)  # left as it was


def test_a_method_s_own_word_stands_over_common_values_and_below_a_table_for_it(
    table: None, monkeypatch: pytest.MonkeyPatch
):
    own = {"*": {"lr": 0.1, "epochs": 3}, "one": {"weight_decay": 1e-6}}
    monkeypatch.setattr(find_method("deepcluster"), "presets", own, raising=False)
    data = images(200)
    asked = Config.asked("deepcluster", options_of("deepcluster")(preset="one"), ("preset",))
    config = api.configure(asked, data, data.training)
    found = {name: (getattr(config.options, name), config.source(name)) for name in ("lr", "epochs", "weight_decay")}
    assert found == {
        "lr": (0.1, "method deepcluster"),
        "epochs": (9, "preset one, for deepcluster"),
        "weight_decay": (1e-6, "method deepcluster, for preset one"),
    }


def test_a_rate_counts_with_the_optimiser_that_it_stands_beside(table: None, monkeypatch: pytest.MonkeyPatch):
    learner = find_method("deepcluster")
    data = images(200)

    def rate(**said: str) -> float | None:
        asked = Config.asked("deepcluster", options_of("deepcluster")(preset="one", **said), ("preset", *said))
        return api.configure(asked, data, data.training).options.lr

    monkeypatch.setattr(learner, "presets", {"*": {"lr": 0.7, "optimizer": "lars"}}, raising=False)
    assert [rate(), rate(optimizer="adamw"), rate(optimizer="sgd")] == [0.7, 1e-3, 0.3]


def test_what_an_earlier_start_has_chosen_stands(table: None):
    data = images(200)
    asked = Config.asked(
        "simclr", options_of("simclr")(preset="one", augment="auto", budget="5m"), ("augment", "budget")
    )
    first = api.configure(asked, data, data.training)
    assert (first.options.augment, first.options.schedule) == ("auto", "clock")
    assert first.source("schedule") == "budget"
    earlier = {"augment": "crop", "schedule": "clock"}
    under_way = api.configure(asked, data, data.training, earlier=earlier)
    assert (under_way.options.augment, under_way.source("augment")) == ("crop", "earlier start")
    assert (under_way.options.schedule, under_way.source("schedule")) == ("clock", "budget")
    ended = {"augment": "crop", "schedule": "0:0.0:0.5", "epochs": 4, "max_steps": 2, "check_every": 1}
    config = api.configure(asked, data, data.training, earlier=ended)
    assert {name: getattr(config.options, name) for name in ended} == ended
    assert {config.source(name) for name in ended} == {"earlier start"}


def test_from_python_every_value_is_meant_but_weights_may_say_what_was_left_at_its_default(table: None):
    asked = Config.asked("simclr", options_of("simclr")(width=8))
    assert asked.meant == {"width"}
    assert asked.under([Layer("weights", {"width": 4, "stem": "small"})], asked.meant).options == options_of("simclr")(
        width=8, stem="small"
    )
    data, asked = images(200), Config.asked("simclr", options_of("simclr")(preset="one", batch_size=64))
    assert api.configure(asked, data, data.training).options.epochs == options_of("simclr")().epochs  # no preset's


def test_a_configuration_is_frozen():
    config = Config.asked("simclr", options_of("simclr")(), ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.method = "deepcluster"  # type: ignore[misc]  # what must not be possible
