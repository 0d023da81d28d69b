"""Mistakes in options are found together, in the words of the command line."""

import dataclasses
import math

import pytest

from lookalike.core.errors import ConfigurationError, did_you_mean
from lookalike.core.options import TrainOptions, at_least, flag, lasting, raise_problems, short, spoken, unknown_keys


def test_defaults_have_no_problems():
    assert list(TrainOptions().problems()) == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("epochs", -1, "--epochs must be at least 0, got -1"),
        ("max_steps", 0, "--max-steps must be at least 1, got 0"),
        ("batch_size", 1, "--batch-size must be at least 2, got 1"),
        ("image_size", 0, "--image-size must be at least 1, got 0"),
        ("width", 0, "--width must be at least 1, got 0"),
        ("threads", 0, "--threads must be at least 1, got 0"),
        ("seed", -1, "--seed must be at least 0, got -1"),
        ("weight_decay", -0.1, "--weight-decay must be at least 0, got -0.1"),
        ("warmup", -1.0, "--warmup must be at least 0, got -1.0"),
        ("warmup", math.nan, "--warmup must be at least 0, got nan"),
        ("check_every", -1, "--check-every must be at least 0, got -1"),
        ("checkpoint_minutes", -1.0, "--checkpoint-minutes must be at least 0, got -1.0"),
        ("lr", 0.0, "--lr must be positive, got 0.0"),
        ("lr", math.nan, "--lr must be positive, got nan"),
        ("momentum", 1.0, "--momentum must be below 1, got 1.0"),
        ("momentum", -0.5, "--momentum must be at least 0, got -0.5"),
        ("crop_min", 0.0, "--crop-min must be in (0, 1], got 0.0"),
        ("crop_min", 1.01, "--crop-min must be in (0, 1], got 1.01"),
    ],
)
def test_each_impossible_value_is_named_once(field, value, words):
    assert list(TrainOptions(**{field: value}).problems()) == [words]


@pytest.mark.parametrize(
    "options",
    [{"crop_min": 1.0}, {"momentum": 0.0}, {"max_steps": 1, "threads": 1}, {"weight_decay": 0}, {"batch_size": 2}],
)
def test_values_at_the_edge_pass(options):
    assert list(TrainOptions(**options).problems()) == []


def test_all_problems_are_reported_at_once():
    options = TrainOptions(epochs=-1, batch_size=0, lr=-1.0, momentum=2.0, crop_min=7.0)
    with pytest.raises(ConfigurationError) as caught:
        raise_problems(options.problems())
    assert len(caught.value.problems) == 5
    message = str(caught.value)
    assert message.startswith("5 mistakes in the configuration:\n  - --epochs")
    for name in ("--batch-size", "--lr", "--momentum", "--crop-min"):
        assert name in message
    assert caught.value.exit_status == 2


def test_one_mistake_is_spoken_of_in_the_singular():
    with pytest.raises(ConfigurationError, match="^1 mistake in the configuration"):
        raise_problems(["--epochs is wrong"])


def test_no_problems_raise_nothing():
    raise_problems(iter([]))


def test_a_method_adds_its_own_problems():
    @dataclasses.dataclass(kw_only=True)
    class Options(TrainOptions):
        temperature: float = 0.5

        def problems(self):
            yield from super().problems()
            yield from at_least(self, 0.1, "temperature")

    assert list(Options(temperature=0.0, epochs=-1).problems()) == [
        "--epochs must be at least 0, got -1",
        "--temperature must be at least 0.1, got 0.0",
    ]


def test_flags_have_dashes():
    assert flag("batch_size") == "--batch-size"


def test_unknown_keys_offer_the_nearest():
    (problem,) = unknown_keys(["epochs", "batch-size", "epoch"], TrainOptions, "config.toml")
    assert problem == "unknown key 'epoch' in config.toml: did you mean 'epochs'?"


def test_runtime_options_do_not_last():
    kept = lasting(TrainOptions(seed=3, data="digits", device="cpu"))
    assert kept["seed"] == 3
    runtime = {"data", "out", "device", "threads", "checkpoint_minutes", "download", "memory", "snapshots", "report"}
    runtime |= {"store", "cache", "store_limit", "skip_bad", "augment_by", "log"}
    assert set(kept) == {f.name for f in dataclasses.fields(TrainOptions)} - runtime


def test_a_hint_names_the_nearest_or_all():
    assert did_you_mean("reznet", ["convnet", "resnet"]) == "did you mean 'resnet'?"
    assert did_you_mean("q", ["convnet", "resnet"]) == "valid: convnet, resnet"
    assert did_you_mean("q", []) == ""


@pytest.mark.parametrize(
    ("data", "plain", "words"),
    [
        ("a", "a", "a"),
        (["x/a"], "x/a", "x/a"),
        ([], "", ""),
        (["x/a", "b"], ("x/a", "b"), "x/a and b"),
        (("a", "b", "c"), ("a", "b", "c"), "a, b and c"),
        (tuple("abcdefg"), tuple("abcdefg"), "a and 6 other places"),
    ],
)
def test_one_place_or_several(data, plain, words):
    assert TrainOptions(data=data).data == plain
    assert spoken(plain) == words


def test_places_without_the_folders_around_them():
    assert short(("/x/y/a", "b/")) == "a and b" and short("/x/photos") == "photos" and short("/") == "/"
