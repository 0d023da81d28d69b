"""What crosses the cut: named outputs, momentum copies, views of several kinds, losses over several processes."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fakes import noise
from followers import Follower, Outputs, follower
from lookalike import api
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.options import OWN_VIEWS
from lookalike.core.own_code import OwnCodeError
from lookalike.engine.checkpoint import whole_state
from lookalike.engine.distributed import parallel
from lookalike.engine.presets import preset_values
from lookalike.engine.step import average_statistics, forward_backward
from lookalike.engine.views import Views
from lookalike.methods.base import Step, View
from lookalike.methods.momentum import Momentum, cosine
from lookalike.optim.groups import parameter_groups
from processes import in_processes

IMAGES = 12


def step_in(comm: Comm, chunk: int | None) -> dict[str, Tensor]:
    """Loss and gradients of a batch that is divided among the processes."""
    method, of = follower(IMAGES, comm=comm)
    share = IMAGES // comm.size
    mine = slice(comm.rank * share, (comm.rank + 1) * share)
    x_VBCHW = noise(method.num_views * IMAGES, seed=1).unflatten(0, (method.num_views, IMAGES))[:, mine]
    rows = x_VBCHW.flatten(0, 1)
    parts = [lambda part=part: part for part in rows.split(chunk or len(rows))]
    targets = torch.arange(IMAGES)[mine, None]
    loss, _ = forward_backward(
        method, of, parts, targets, chunk is not None, parallel(method) if comm.size > 1 else None
    )
    average_statistics(method)
    return {"loss": comm.sum(loss), **{key: p.grad for key, p in method.named_parameters() if p.requires_grad}}


def steps(comm: Comm) -> dict[int | None, dict[str, Tensor]]:
    """Whole and in chunks."""
    return {chunk: step_in(comm, chunk) for chunk in (None, 5)}


@cache
def in_two() -> list[dict[int | None, dict[str, Tensor]]]:
    return in_processes(steps)


def furthest(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference, relative to the largest value of the same tensor or to a thousandth of the largest."""
    least = 1e-3 * max(float(value.abs().max()) for value in two.values())
    return max(float((one[k] - two[k]).abs().max() / two[k].abs().max().clamp_min(least)) for k in two)


@pytest.mark.parametrize("chunk", [None, 5])
def test_a_coupled_loss_is_in_two_processes_what_it_is_alone(chunk: int | None):
    alone = step_in(SINGLE, None)
    for found in in_two():
        assert furthest(found[chunk], alone) <= 1e-10


def gradients(chunk: int | None, norm: str = "group") -> tuple[Follower, Tensor, Outputs]:
    method, of = follower(IMAGES, norm)
    rows = noise(method.num_views * IMAGES, seed=1)
    parts = [lambda part=part: part for part in rows.split(chunk or len(rows))]
    loss, out = forward_backward(method, of, parts, torch.arange(IMAGES)[:, None], cached=chunk is not None)
    return method, loss, out


def test_outputs_keep_their_names_and_are_rows_of_images():
    _, _, out = gradients(None)
    assert isinstance(out, Outputs)
    assert out.z.shape == out.target.shape == (IMAGES, 4, 16)


@pytest.mark.parametrize("chunk", [1, 5, 24])
def test_chunks_give_the_same_gradients_through_several_outputs(chunk: int):
    whole, loss, _ = gradients(None)
    cut, chunked, _ = gradients(chunk)
    assert float(loss) == pytest.approx(float(chunked), rel=1e-12)
    one, two = ({k: p.grad for k, p in m.named_parameters() if p.requires_grad} for m in (cut, whole))
    assert furthest(one, two) <= 1e-10


def test_the_cut_equals_differentiating_the_whole_graph():
    cut, loss, _ = gradients(None)
    whole, _ = follower(IMAGES)
    out = whole(noise(4 * IMAGES, seed=1))
    expected = whole.loss(Outputs(*(z.unflatten(0, (4, -1)).transpose(0, 1) for z in out)), torch.arange(IMAGES))
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    for p, q in zip(cut.parameters(), whole.parameters(), strict=True):
        assert (p.grad is None) is (q.grad is None)
        if p.grad is not None:
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("chunk", [None, 12])
def test_a_momentum_copy_is_computed_once_and_its_statistics_move_once(
    chunk: int | None, monkeypatch: pytest.MonkeyPatch
):
    rows: list[int] = []
    method, of = follower(IMAGES, "batch")
    network = method.target.copies[0]
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda x: rows.append(len(x)) or forward(x))
    x = noise(4 * IMAGES, seed=1)
    parts = [lambda part=part: part for part in x.split(chunk or len(x))]
    forward_backward(method, of, parts, torch.arange(IMAGES)[:, None], cached=chunk is not None)
    assert rows == [chunk or 48] * len(parts)
    for module in (method.target, method.encoder):
        counts = {int(b) for name, b in module.named_buffers() if name.endswith("num_batches_tracked")}
        assert counts == {len(parts)}


def test_a_momentum_copy_inside_of_another_module_has_its_statistics_in_chunks_too():
    method, of = follower(IMAGES, "batch")
    method.copies = nn.ModuleDict({"target": method.target})
    x = noise(4 * IMAGES, seed=1)
    forward_backward(method, of, [lambda p=p: p for p in x.split(12)], torch.arange(IMAGES)[:, None], cached=True)
    assert {int(b) for name, b in method.target.named_buffers() if name.endswith("num_batches_tracked")} == {4}


def test_the_loss_is_told_what_learns_also_in_chunks():
    told: list[tuple[bool, bool]] = []

    class Asking(Follower):
        def loss(self, out: Outputs, targets_BH: Tensor, comm: Comm = SINGLE) -> Tensor:
            told.append((out.z.requires_grad, out.target.requires_grad))
            return super().loss(out, targets_BH, comm)

    for chunk in (48, 12):
        method, of = follower(IMAGES)
        method.__class__ = Asking
        x = noise(48, seed=1)
        forward_backward(method, of, [lambda p=p: p for p in x.split(chunk)], torch.arange(IMAGES)[:, None], chunk < 48)
    assert told == [(True, False)] * 2


def test_dropout_is_the_same_in_both_passes_beside_a_copy_that_is_not_computed_again():
    method, of = follower(IMAGES)
    method.predictor = nn.Sequential(nn.Dropout(0.5), method.predictor)
    method.target.copies.append(nn.Dropout(0.5))
    method.target._followed = (*method.target._followed, nn.Dropout(0.5))
    seen: list[Tensor] = []
    forward = method.predictor.forward
    method.predictor.forward = lambda x: seen.append(forward(x)) or seen[-1]
    x = noise(48, seed=1)
    forward_backward(method, of, [lambda p=p: p for p in x.split(16)], torch.arange(IMAGES)[:, None], cached=True)
    assert len(seen) == 6
    assert all(torch.equal(a, b) for a, b in zip(seen[:3], seen[3:], strict=True))


def test_a_momentum_copy_is_in_the_checkpoint_and_nowhere_else():
    method, _ = follower()
    copies = [name for name, _ in method.named_parameters() if name.startswith("target.")]
    assert copies and set(copies) <= whole_state(method).keys()
    named = [name for group in parameter_groups(method, 1e-4) for name in group["names"]]
    assert not any(name.startswith("target.") for name in named)
    assert not any(p.requires_grad for p in method.target.parameters())
    assert not any(name.startswith("target._followed") for name, _ in method.named_modules())


def test_a_momentum_copy_moves_by_its_share():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
    target = Momentum(layer)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, -2.0]]))
    target.update(0.75)
    torch.testing.assert_close(target.copies[0].weight, torch.tensor([[1.5, 1.0]]))
    assert target(torch.ones(1, 2)).tolist() == [[2.5]] and layer.weight.tolist() == [[3.0, -2.0]]


def test_the_schedule_of_a_momentum():
    assert [round(cosine(0.9, 1.0, f), 6) for f in (0.0, 0.5, 1.0)] == [0.9, 0.95, 1.0]


def test_views_of_several_kinds_have_their_own_augmentation_size_and_numbers():
    images = api.load_images("digits", 16)
    options = Follower.Options(data="digits", image_size=16, width=4, augment=OWN_VIEWS)
    of = api.untrained_backbone(options, images, "cpu")
    views = Views(Follower(of.encoder, options, 10), of, options, images)
    assert [(group.first, len(group.augmentations)) for group in views.groups] == [(0, 2), (2, 2)]
    assert [len(r.operations) for group in views.groups for r in group.augmentations] == [1, 2, 1, 1]
    rows = torch.arange(5)
    assert [tuple(part().shape) for part in views.parts(0, rows)] == [(10, 1, 16, 16), (10, 1, 12, 12)]
    chunks = [part() for part in views.parts(0, rows, 2)]
    assert torch.equal(torch.cat(chunks[:3]), views.parts(0, rows)[0]())


def test_views_by_themselves_are_batches_of_their_own():
    class Apart(Follower):
        title = "Apart"
        views_together = False

    images = api.load_images("digits", 16)
    options = Apart.Options(data="digits", image_size=16, width=4, augment="digits")
    of = api.untrained_backbone(options, images, "cpu")
    views = Views(Apart(of.encoder, options, 10), of, options, images)
    assert [(group.first, len(group.augmentations)) for group in views.groups] == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_a_class_with_views_of_its_own_asks_for_them_and_the_user_may_say_otherwise():
    assert Follower.presets["*"] == {"augment": OWN_VIEWS}

    class Usual(Follower):
        title = "Usual"
        views = (View(), View(size=8))

    class Said(Follower):
        title = "Said"
        views = (View("crop"),)
        presets = {"*": {"augment": "digits"}, "mnist": {"lr": 0.1}}

    assert Said.presets == {"*": {"augment": "digits"}, "mnist": {"lr": 0.1}}
    assert preset_values("mnist", Said)["lr"] == 0.1 and preset_values("mnist", Said)["augment"] == "digits"
    assert preset_values("photos", Said)["lr"] == 0.35


def test_a_method_is_told_the_step(tmp_path):
    told: list[Step] = []

    class Told(Follower):
        title = "Told"

        def on_step_end(self, step: Step) -> None:
            super().on_step_end(step)
            told.append(step)

    images = api.load_images("digits", 16)
    images = images.of_rows(images.training[:100])
    options = Told.Options(out=str(tmp_path / "run"), epochs=2, batch_size=50, width=4, check_every=9, augment="digits")
    api.train(Told, options, images=images)
    assert [(s.index, s.total, s.fraction, s.epoch) for s in told] == [
        (0, 4, 0.0, 0), (1, 4, 0.25, 0), (2, 4, 0.5, 1), (3, 4, 0.75, 1),
    ]  # fmt: skip
    assert told[0].outputs.z.shape == (50, 4, 128) and not told[0].outputs.z.requires_grad
    assert told[0].images_B.shape == (50,)


class Plain(Follower):
    """Of which tests break one thing each."""

    title = "Plain"


@pytest.mark.parametrize(
    ("name", "wrong", "words"),
    [
        ("forward", lambda self, x: None, "returned NoneType: it must return a tensor or a NamedTuple"),
        ("forward", lambda self, x: (x.flatten(1), 3), "returned a tuple of Tensor, int"),
        ("forward", lambda self, x: self.encoder(x).mean(0), r"returned a tensor of shape \[32\] for 48 images"),
        ("forward", lambda self, x: x.flatten(1), "returned nothing that depends on a parameter"),
        ("loss", lambda self, out, t, comm: out.z, r"returned a tensor of shape \[12, 4, 16\], torch.float64: it must"),
        ("loss", lambda self, out, t, comm: 0.5, "returned float: it must return one floating number"),
        ("loss", lambda self, out, t, comm: out.target.mean(), "depends on no output of forward that learns"),
        ("loss", lambda self, out, t, comm: self.predictor.bias.sum(), "depends on no output of forward that learns"),
    ],
)
def test_what_a_method_must_not_return_is_told_with_its_place(
    name: str, wrong: Any, words: str, monkeypatch: pytest.MonkeyPatch
):
    method, of = follower(IMAGES)
    method.__class__ = Plain
    monkeypatch.setattr(Plain, name, wrong, raising=False)
    place = f"test_cut.py:{wrong.__code__.co_firstlineno}: Plain.{name} "
    with pytest.raises(OwnCodeError, match=words) as caught:
        forward_backward(method, of, [lambda: noise(48, seed=1)], torch.arange(IMAGES)[:, None])
    assert place in str(caught.value)
