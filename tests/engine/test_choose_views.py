"""Views chosen for the data: what is tried, what decides, what is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fakes import signal_after, tiny_options
from lookalike import api
from lookalike.augment.recipes import recipe_names
from lookalike.core.errors import Interrupted, LookalikeError
from lookalike.core.files import read_json
from lookalike.core.options import AUTO
from lookalike.data.base import Images
from lookalike.engine import choose_views as module
from lookalike.engine.backbone import Backbone
from lookalike.engine.choose_views import choose_views, few_labels, read_labels, trial_steps
from lookalike.engine.rehearsal import Rehearsal
from lookalike.engine.view_trials import Deadline, small_copies
from lookalike.methods.simclr import Options

OPTIONS = Options(data="patches", image_size=16, batch_size=64, precision="float32", threads=1)


def backbones(options: Options, images: Images) -> Backbone:
    """A quarter of the width that is tried on trial: the choice is the same, and made in a tenth of the time."""
    return api.untrained_backbone(replace(options, width=8), images, "cpu")


def patches(n: int, seed: int = 0) -> Images:
    """Blurred noise of one of two hues, at any brightness: all that the classes differ in is the hue."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(n, 1, 6, 6, generator=generator)
    texture = torch.nn.functional.interpolate(noise, size=(16, 16), mode="bilinear")
    hue_NC = torch.tensor([[1.0, 0.6, 0.5], [1.0, 0.5, 0.6]])[torch.arange(n) % 2]
    pixels = (255 * texture * hue_NC[:, :, None, None]).round().to(torch.uint8)
    return Images(pixels, tuple(f"{i:04d}.png" for i in range(n)), name="patches")


def chosen(images: Images, usual: str = "simclr-small", known: dict[int, int] | None = None, **said: object):
    options = Options(**{**vars(OPTIONS), **said})  # type: ignore[arg-type]
    return choose_views(options, usual, images, images.training, backbones, known)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_STEPS", 24)
    monkeypatch.setattr(module, "_LEAST_STEPS", 4)


def with_scores(monkeypatch: pytest.MonkeyPatch, scores: dict[str, float]) -> None:
    """Recipes get these scores, and nothing is trained."""
    monkeypatch.setattr(module, "affordable_steps", lambda *_: 8)
    monkeypatch.setattr(module, "helped", lambda name, *_: scores[name])


def test_too_few_images_keep_what_is_usual():
    choice = chosen(patches(200))
    assert (choice.chosen, choice.scores, choice.by) == ("simclr-small", {}, "none")
    assert "200 images are too few" in choice.reason


def test_a_trial_is_a_tenth_of_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_STEPS", 128)
    photos = Options(data="", epochs=60, batch_size=256)
    assert [trial_steps(photos, n) for n in (300, 2640, 50_000)] == [6, 60, 128]
    assert [trial_steps(replace(photos, max_steps=500), n) for n in (300, 2640, 50_000)] == [6, 50, 50]
    assert trial_steps(replace(photos, max_steps=5000), 2640) == 60


@pytest.mark.parametrize(
    ("helped", "tried", "winner"),
    [
        ({"simclr-small": 1.9}, ["simclr-small"], "simclr-small"),
        ({"simclr-small": 1.1, "simclr-light": 1.5}, ["simclr-small", "simclr-light"], "simclr-light"),
        ({"simclr-small": 1.2, "simclr-light": 1.1, "crop-flip": 1.0}, None, "simclr-small"),
        ({"simclr-small": 0.9, "simclr-light": 1.1, "crop-flip": 3.0}, None, "crop-flip"),
    ],
)
def test_views_are_stepped_down_until_they_can_be_learned(
    helped: dict[str, float], tried: list[str] | None, winner: str, monkeypatch: pytest.MonkeyPatch
):
    with_scores(monkeypatch, helped)
    choice = chosen(patches(300))
    assert list(choice.scores) == (tried or list(helped))
    assert choice.chosen == winner


def test_without_colour_nothing_is_tried_twice(monkeypatch: pytest.MonkeyPatch):
    with_scores(monkeypatch, dict.fromkeys(recipe_names(), 0.0))
    images = patches(300)
    grey = Images(images.pixels[:, :1], images.paths)
    assert list(chosen(grey, "simclr").scores) == ["simclr", "simclr-small", "crop-flip"]
    assert list(chosen(grey, "digits").scores) == ["digits", "crop-flip"]
    in_colour = Images(images.pixels[:, :1].repeat(1, 3, 1, 1), images.paths)
    assert list(chosen(in_colour, "simclr").scores) == ["simclr", "simclr-small", "crop-flip"]


def test_labels_decide_where_they_are_given():
    """The classes are hues: recipes that make views of other hues must lose."""
    images = patches(320)
    choice = chosen(images, known={row: row % 2 for row in range(80)})
    assert choice.by == "labels"
    assert set(choice.scores) == {"simclr-small", "simclr", "simclr-light", "crop-flip", "digits"}
    kept = ("simclr-light", "crop-flip", "digits")
    assert min(choice.scores[name] for name in kept) > max(choice.scores[name] for name in ("simclr", "simclr-small"))
    assert choice.chosen in kept


def test_views_are_chosen_in_double_precision_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_STEPS", 6)
    monkeypatch.setattr(module, "_LEAST_STEPS", 2)
    choice = chosen(patches(300), "crop-flip", precision="float64")
    assert choice.by == "learnable" and choice.scores["crop-flip"] > 0


def test_the_same_images_give_the_same_choice_in_any_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_STEPS", 6)  # the scores are compared, whatever they are
    images = patches(300)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    shuffled = Images(images.pixels[order], tuple(f"other/{i}.png" for i in range(300)))
    first = chosen(images).scores
    assert chosen(images).scores == first
    assert chosen(shuffled).scores == first


class Clock:
    """A clock that steps move on: a second each, or whatever `step` says; `looked` is what it said when last asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: Callable[[int], float] = lambda _: 1.0) -> None:
        self.now, self.steps = 0.0, 0
        made = Rehearsal._step

        def stepping(trainer: Rehearsal, epoch: int, k: int) -> None:
            made(trainer, epoch, k)
            self.steps += 1
            self.now += step(self.steps)

        monkeypatch.setattr(Rehearsal, "_step", stepping)

    def __call__(self) -> float:
        return self.now


def choice_in(seconds: float, clock: Clock, **more: object):
    images = patches(300)
    return choose_views(
        OPTIONS, "simclr-small", images, images.training, backbones, seconds=seconds, clock=clock, **more
    )


@pytest.fixture
def never_learnable(monkeypatch: pytest.MonkeyPatch):
    """All recipes are tried."""
    monkeypatch.setattr(module, "_HELPED", 1e9)


@pytest.mark.parametrize(("seconds", "steps"), [(23.0, 6), (17.5, 4)])
@pytest.mark.usefixtures("never_learnable")
def test_little_time_is_spent_on_fewer_steps(seconds: float, steps: int, monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    assert list(choice_in(seconds, clock).scores) == ["simclr-small", "simclr-light", "crop-flip"]
    assert clock.steps == 4 + 3 * steps  # four tell what a step costs


@pytest.mark.parametrize(
    ("seconds", "tried"), [(3.0, []), (6.0, []), (9.0, ["simclr-small"]), (13.0, ["simclr-small", "simclr-light"])]
)
@pytest.mark.usefixtures("never_learnable")
def test_when_time_is_up_what_is_known_decides(seconds: float, tried: list[str], monkeypatch: pytest.MonkeyPatch):
    """A recipe whose training has not ended counts as not tried, and no step begins after the time."""
    clock = Clock(monkeypatch)
    choice = choice_in(seconds, clock)
    assert list(choice.scores) == tried
    assert seconds <= clock.now <= seconds + 1
    if tried:
        assert choice.scores[choice.chosen] == max(choice.scores.values())
        assert choice.reason.endswith(f"; no others in {seconds:.0f} s")
    else:
        words = f"the usual ones, as {seconds:.0f} s did not suffice to compare recipes of views"
        assert (choice.chosen, choice.by, choice.reason) == ("simclr-small", "none", words)


@pytest.mark.usefixtures("never_learnable")
def test_a_machine_that_becomes_slow_ends_it_as_well(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch, lambda step: 0.1 if step < 9 else 5.0)
    assert list(choice_in(30.0, clock).scores) == []
    assert 30 <= clock.now <= 35


def test_a_computer_that_slept_has_no_time_left(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch, lambda step: 3600.0 if step == 6 else 0.1)
    assert choice_in(30.0, clock).by == "none"
    assert clock.steps == 6


def test_a_signal_ends_it_and_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    with pytest.raises(Interrupted, match="stopped while choosing views") as caught:
        choice_in(100.0, clock, signal=lambda: signal.SIGINT if clock.steps >= 6 else None)
    assert caught.value.signal_number == signal.SIGINT
    assert clock.steps == 6


def test_seconds_for_choosing():
    options = [replace(OPTIONS, budget=budget) for budget in (None, "90s", "5m", "20m")]
    assert [module.allowed_seconds(one) for one in options] == [90, 9, 30, 90]


def test_large_images_are_compared_as_small_copies():
    pixels = torch.randint(0, 256, (300, 3, 80, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Images(pixels, tuple(map(str, range(300))))
    copies = small_copies(images, torch.arange(300), 0, [7, 3], Deadline(60.0))
    assert copies.pixels.shape == (300, 3, 32, 32)
    assert copies.paths[:2] == ("7", "3")
    assert copies.labels is None


def train(out: Path, images: Images, **said: object):
    options = tiny_options(
        "simclr", data="patches", batch_size=64, epochs=1, image_size=16, augment=AUTO, threads=1, out=str(out), **said
    )
    return api.train("simclr", options, images=images)


def test_the_choice_is_told_and_kept_when_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    signal_after(monkeypatch, 2)
    with_scores(monkeypatch, {"simclr-small": 1.0, "simclr-light": 2.0})
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(out, patches(300))
    record = read_json(out / "run.json")["views"]
    assert (record["chosen"], record["by"]) == ("simclr-light", "learnable")
    monkeypatch.setattr(module, "choose_views", lambda *_, **__: pytest.fail("chosen again"))
    run = train(out, patches(300))
    assert run.settings()["augment"] == "simclr-light"
    assert run.status()["views"] == record


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_labels_from_a_file(tmp_path: Path):
    path = written(tmp_path / "few.csv", "path,label\n0001.png,a\n0002.png,b\n0003.png,\n0001.png,a\n")
    assert read_labels(path) == {"0001.png": "a", "0002.png": "b"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must have the columns path and label, and lines below them; it has nothing"),
        ("when,who\n1,2\n", "it has when, who"),
        ("path,label\n1,a\n1,b\n", "calls '1' both 'a' and 'b'"),
    ],
)
def test_files_that_are_no_labels(tmp_path: Path, text: str, words: str):
    with pytest.raises(LookalikeError, match=words):
        read_labels(written(tmp_path / "few.csv", text))


def test_no_file(tmp_path: Path):
    with pytest.raises(LookalikeError, match="cannot read"):
        read_labels(tmp_path / "none.csv")


def test_labels_that_do_not_do():
    images = patches(4)
    with pytest.raises(
        LookalikeError, match=r"1 of 2 labelled images is not in patches, such as 'x.png'; .*'0000.png'"
    ):
        few_labels(images, {"0001.png": "a", "x.png": "b"})
    with pytest.raises(LookalikeError, match="two classes need two images each"):
        few_labels(images, {"0001.png": "a", "0000.png": "a", "0002.png": "b"})


def test_features_of_labelled_images_alone():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [1.0, 0.05]])

    def share(labels: list[int]) -> float:
        return module._leave_one_out(x, Tensor(labels).long())

    assert share([0, 0, 1, 1, 0]) == 1.0
    assert share([0, 0, 1, 1, 2]) == pytest.approx(0.4)
