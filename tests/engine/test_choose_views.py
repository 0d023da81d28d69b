"""Views chosen for the data: what is tried, what decides, what is kept."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from fakes import signal_after, tiny_options
from lookalike import api
from lookalike.augment.recipes import augmentation_names
from lookalike.core.comm import SINGLE
from lookalike.core.durations import duration
from lookalike.core.errors import Interrupted, LookalikeError
from lookalike.core.files import read_json
from lookalike.core.options import AUTO
from lookalike.data.base import Images
from lookalike.engine import choose_views as module
from lookalike.engine.choose_views import choose_views, few_labels, read_labels
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.view_trials import Deadline, Exam, Result, distance_to_own, knn_among, small_copies, tells_turns
from lookalike.methods.base import Method, Step
from lookalike.methods.simclr import Options
from lookalike.runs.folder import RunFolder

OPTIONS = Options(data="patches", image_size=16, batch_size=64, precision="float32", threads=1)


def backbones(options: Options, images: Images) -> FeatureExtractor:
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


def chosen(images: Images, usual: str = "simclr-small", labelled: dict[int, int] | None = None, **said: object):
    options = Options(**{**vars(OPTIONS), **said})  # type: ignore[arg-type]
    return choose_views(options, usual, images, images.training, backbones, labelled)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "STEPS", 4)


def with_gains(
    monkeypatch: pytest.MonkeyPatch, gains: dict[str, float], turned: dict[str, float] | None = None
) -> None:
    """Trainings gain so much, and nothing is trained."""
    monkeypatch.setattr(module, "far_before", lambda *_: dict.fromkeys(augmentation_names(), 0.6))
    features = {name: SimpleNamespace(backbone=SimpleNamespace(features=name)) for name in augmentation_names()}
    monkeypatch.setattr(module, "trained", lambda name, *_: features[name])

    def take(_: Exam, name: str, names: list[str], turns: bool) -> Result:
        return Result({name: 0.6 - gains.get(name, 0.0)}, (turned or {}).get(name, 0.25), None)

    monkeypatch.setattr(Exam, "take", take)


def test_too_few_images_keep_what_is_usual():
    choice = chosen(patches(200))
    assert (choice.chosen, choice.scores, choice.by) == ("simclr-small", {}, "none")
    assert "200 images are too few" in choice.reason


@pytest.mark.parametrize(
    ("gains", "turned", "winner"),  # of simclr-small, simclr-light, crop-flip
    [
        ((0.10, 0.19, 0.16), (0.2, 0.9, 0.9), "simclr-small"),  # can be learned: nothing else counts
        ((0.03, 0.12, 0.24), (0.511, 0.472, 0.488), "crop-flip"),  # photos of groceries
        ((0.03, 0.13, 0.17), (0.354, 0.382, 0.326), "simclr-light"),  # made fruit
        ((0.03, 0.05, 0.26), (0.505, 0.400, 0.436), "simclr-small"),  # as of solar cells
        ((-0.05, -0.07, -0.10), (0.25, 0.25, 0.25), "simclr-small"),
    ],
)
def test_the_usual_views_stay_where_they_can_be_learned(
    gains: tuple[float, ...], turned: tuple[float, ...], winner: str, monkeypatch: pytest.MonkeyPatch
):
    names = ("simclr-small", "simclr-light", "crop-flip")
    with_gains(monkeypatch, dict(zip(names, gains, strict=True)), dict(zip(names, turned, strict=True)))
    choice = chosen(patches(300))
    tried = names if gains[0] < 0.05 else names[:1]
    assert choice.scores == {name: pytest.approx(value) for name, value in zip(tried, gains, strict=False)}
    assert choice.chosen == winner
    assert choice.reason.startswith("training brings a view nearer to its own image by: simclr-small ")
    assert ("; then tells how an image is turned: simclr-small " in choice.reason) == (len(tried) == 3)


def test_without_colour_nothing_is_tried_twice(monkeypatch: pytest.MonkeyPatch):
    with_gains(monkeypatch, {})
    images = patches(300)
    grey = Images(images.pixels[:, :1], images.paths)
    assert list(chosen(grey, "simclr").scores) == ["simclr", "simclr-small", "crop-flip"]
    assert list(chosen(grey, "digits").scores) == ["digits", "crop-flip"]
    in_colour = Images(images.pixels[:, :1].repeat(1, 3, 1, 1), images.paths)
    assert list(chosen(in_colour, "simclr").scores) == ["simclr", "simclr-small", "crop-flip"]


def test_labels_decide_where_they_are_given(monkeypatch: pytest.MonkeyPatch):
    """The classes are hues: augmentations that make views of other hues must lose."""
    monkeypatch.setattr(module, "STEPS", 24)
    images = patches(320)
    choice = chosen(images, labelled={row: row % 2 for row in range(80)})
    assert choice.by == "labels"
    assert set(choice.scores) == {"simclr-small", "simclr", "simclr-light", "crop-flip", "digits"}
    kept = ("simclr-light", "crop-flip", "digits")
    assert min(choice.scores[name] for name in kept) > max(choice.scores[name] for name in ("simclr", "simclr-small"))
    assert choice.chosen in kept


def test_views_are_chosen_in_double_precision_too():
    choice = chosen(patches(300), "crop-flip", precision="float64")
    assert choice.by == "learnable" and list(choice.scores) == ["crop-flip"]


def test_the_same_images_give_the_same_choice_in_any_order():
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

        def pass_on(method: Method, now: Step) -> None:
            self.steps += 1
            self.now += step(self.steps)

        monkeypatch.setattr(Method, "on_step_end", pass_on)

    def __call__(self) -> float:
        return self.now


def choice_in(seconds: float, clock: Clock, **more: object):
    images = patches(300)
    return choose_views(
        OPTIONS, "simclr-small", images, images.training, backbones, seconds=seconds, clock=clock, **more
    )


@pytest.fixture
def never_learnable(monkeypatch: pytest.MonkeyPatch):
    """All augmentations are tried."""
    monkeypatch.setattr(module, "_ENOUGH", 1e9)


@pytest.mark.parametrize(
    ("seconds", "tried"),
    [(3.0, 0), (4.5, 1), (9.0, 2), (13.0, 3)],
)
@pytest.mark.usefixtures("never_learnable")
def test_when_time_is_up_what_is_known_decides(seconds: float, tried: int, monkeypatch: pytest.MonkeyPatch):
    """An augmentation whose four steps have not ended counts as not tried, and no step begins after the time."""
    clock = Clock(monkeypatch)
    choice = choice_in(seconds, clock)
    assert clock.now == min(12, math.ceil(seconds))
    if tried > 1:
        assert list(choice.scores) == ["simclr-small", "simclr-light", "crop-flip"][:tried]
        assert choice.chosen in choice.scores
        assert choice.reason.endswith(f"; no others in {seconds:.0f} s") == (tried == 2)
    else:
        words = f"the usual ones, as {duration(seconds)} did not suffice to compare augmentations"
        assert (choice.chosen, choice.scores, choice.by, choice.reason) == ("simclr-small", {}, "none", words)


@pytest.mark.usefixtures("never_learnable")
def test_a_machine_that_becomes_slow_ends_it_as_well(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch, lambda step: 0.1 if step < 9 else 25.0)
    assert len(choice_in(30.0, clock).scores) == 2
    assert clock.steps == 10


def test_a_computer_that_slept_has_no_time_left(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch, lambda step: 3600.0 if step == 3 else 0.1)
    assert choice_in(30.0, clock).by == "none"
    assert clock.steps == 3


def test_views_and_exams_end_in_time_too(monkeypatch: pytest.MonkeyPatch):
    """Not only steps: each block of images costs a second here, and training none."""
    clock = Clock(monkeypatch, lambda _: 0.0)
    asked = Deadline.check

    def slow(deadline: Deadline) -> None:
        clock.now += 1
        asked(deadline)

    monkeypatch.setattr(Deadline, "check", slow)
    for seconds in (1.5, 4.5, 8.5, 12.5, 16.5):
        clock.now = 0.0
        assert choice_in(seconds, clock).by == "none"
        assert clock.now == math.ceil(seconds)


def test_a_signal_ends_it_and_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch):
    clock = Clock(monkeypatch)
    with pytest.raises(Interrupted, match="stopped while choosing views") as caught:
        choice_in(100.0, clock, signal=lambda: signal.SIGINT if clock.steps >= 3 else None)
    assert caught.value.signal_number == signal.SIGINT
    assert clock.steps == 3


def test_seconds_for_choosing():
    options = [replace(OPTIONS, budget=budget) for budget in (None, "90s", "5m", "20m")]
    assert [module.allowed_seconds(one) for one in options] == [90, 9, 30, 90]


def with_classes(images: Images, labels: Tensor) -> Images:
    return replace(images, labels=labels, classes=("a", "b"))


def test_labels_say_what_they_say_and_choose_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_ENOUGH", -1e9)  # the first would do, and is compared for the labels' sake
    images = patches(300)
    hues = torch.arange(300) % 2
    choice = chosen(with_classes(images, hues))
    assert list(choice.knn) == list(choice.scores) == ["simclr-small", "simclr-light", "crop-flip"]
    table = ", ".join(f"{value:.0%} with {name}" for name, value in choice.knn.items())
    words = f"; by the labels, which are not chosen by, kNN after these short trainings is {table}"
    assert choice.reason.endswith(words)
    others = chosen(with_classes(images, hues[torch.randperm(300, generator=torch.Generator().manual_seed(0))]))
    assert (others.chosen, others.scores) == (choice.chosen, choice.scores)
    assert others.knn != choice.knn
    without = chosen(images)
    assert (without.chosen, without.knn) == (choice.chosen, {})
    assert without.scores == {"simclr-small": choice.scores["simclr-small"]}


def test_knn_among_images():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [5.0, 5.0]])
    assert knn_among(x[:4].repeat(6, 1), torch.tensor([0, 0, 1, 1]).repeat(6)) == 1.0
    assert knn_among(x, torch.tensor([0, 0, 0, 0, -1])) is None


def test_how_far_a_view_is_from_its_own_image():
    x = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    assert distance_to_own(x, x) == 0.0
    assert distance_to_own(torch.ones(64, 4), torch.ones(64, 4)) == 1.0  # what is all equal finds nothing
    assert 0.0 < distance_to_own(x, x + 2 * x.flip(0)) < distance_to_own(x, x.flip(0)) < 1.0


def test_a_probe_tells_turns_that_are_there():
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    turns = torch.stack([x + 5 * torch.eye(6)[quarters] for quarters in range(4)])
    assert tells_turns(turns) > 0.95
    assert abs(tells_turns(x.expand(4, -1, -1)) - 0.25) < 0.01
    assert tells_turns(torch.ones(4, 200, 3)) == 0.25


def gratings(n: int) -> Images:
    """Bright bars of any direction, width and place before something dark: told apart whatever happens to colours."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    turn, width, place = torch.rand(3, n, 1, 1, generator=generator).unbind()
    across = x * (torch.pi * turn).cos() + y * (torch.pi * turn).sin()
    bars = (torch.sin((0.5 + 1.5 * width) * across + 2 * torch.pi * place) > 0).float()[:, None]
    bright, dark = (0.2 * torch.rand(2, n, 3, 1, 1, generator=generator)).unbind()
    pixels = 255 * (bars * (0.75 + bright) + (1 - bars) * (0.05 + dark))
    return Images(pixels.round().to(torch.uint8), tuple(f"{i}.png" for i in range(n)), name="gratings")


@pytest.mark.parametrize(("images", "winner"), [(gratings(300), "simclr-small"), (patches(300), "crop-flip")])
def test_shapes_keep_the_usual_views_and_hues_do_not(images: Images, winner: str, monkeypatch: pytest.MonkeyPatch):
    """Really trained: hues are most of what tells the patches apart, and the usual views change them."""
    monkeypatch.setattr(module, "STEPS", 24)
    assert chosen(images).chosen == winner


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
    with_gains(monkeypatch, {"simclr-small": 0.01, "simclr-light": 0.2})
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(out, patches(300))
    record = read_json(out / "run.json")["views"]
    assert (record["chosen"], record["by"]) == ("simclr-light", "learnable")
    monkeypatch.setattr(module, "choose_views", lambda *_, **__: pytest.fail("chosen again"))
    run = train(out, patches(300))
    assert run.settings()["augment"] == "simclr-light"
    assert run.status().views == record


def test_a_method_with_views_of_its_own_has_the_usual_ones_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def choosing(options: Options, usual: str, *_: object, **__: object) -> module.Choice:
        asked.append(usual)
        return module.Choice(usual, {}, "none", "")

    monkeypatch.setattr(module, "choose_views", choosing)
    images = patches(8)
    for method in ("byol", "simclr"):
        options = tiny_options(method, augment=AUTO, preset="small-images")
        run = RunFolder(tmp_path / "run")
        module.settle_views(options, method, images, images.training, run, api.untrained_backbone, SINGLE)
    assert asked == ["simclr-small"] * 2


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
