"""Chunks (gradient caching): the gradients of the whole batch in the memory of a part of it."""

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fakes import FakeCollection, noise, signal_after, tiny_options
from heard import Heard
from lookalike import api
from lookalike.cli.main import main
from lookalike.core.errors import ConfigurationError, Interrupted, LookalikeError
from lookalike.core.machine import parse_bytes
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine import gradients as gradients_module
from lookalike.engine import step
from lookalike.engine.checkpoint import load_checkpoint, save_checkpoint
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.loop import Trainer
from lookalike.engine.memory import graph_bytes
from lookalike.engine.step import Part, forward_backward
from lookalike.engine.views import Views
from lookalike.methods.find import find_method

IMAGES = 12


def learner(name: str, encoder: str = "convnet", norm: str = "group") -> tuple[nn.Module, FeatureExtractor]:
    spec = EncoderSpec(encoder, channels=1, image_size=16, width=4, norm=norm)
    of = FeatureExtractor(build_encoder(spec, 0).double(), spec, (0.5,), (0.25,), "float64")
    options = tiny_options(name, encoder=encoder, norm=norm)
    method = find_method(name)(of.encoder, options, IMAGES, 5).double()
    return method.train(), of


def parts_of(x_RCHW: Tensor, rows: int) -> list[Part]:
    return [lambda part=part: part for part in x_RCHW.split(rows)]


def gradients(name: str, rows: int | None, **said: str) -> tuple[Tensor, dict[str, Tensor], nn.Module]:
    """Loss, gradients and method after one batch, whole (rows None) or in chunks of so many rows."""
    method, of = learner(name, **said)
    targets_BH = method.plan(0, FakeCollection(method, IMAGES)).targets_NH
    x_RCHW = noise(method.num_views * IMAGES, seed=1)
    parts = parts_of(x_RCHW, rows or len(x_RCHW))
    loss, _ = forward_backward(method, of, parts, targets_BH, cached=rows is not None)
    return loss, {key: p.grad for key, p in method.named_parameters()}, method


def furthest(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference of two gradients, relative to the largest gradient of the parameter."""
    return max(float((one[key] - two[key]).abs().max() / two[key].abs().max().clamp_min(1e-30)) for key in two)


def test_with_batchnorm_a_chunk_is_normalised_by_itself():
    """Not the whole batch's gradients, and said so in the documentation."""
    _, whole, _ = gradients("simclr", None, norm="batch")
    _, chunked, _ = gradients("simclr", 6, norm="batch")
    assert furthest(chunked, whole) > 1e-3


def test_statistics_move_once_for_each_chunk_not_twice():
    _, _, method = gradients("simclr", 6, norm="batch")
    counts = {int(b) for name, b in method.named_buffers() if name.endswith("num_batches_tracked")}
    assert counts == {4}  # 24 rows in chunks of 6


def test_dropout_is_the_same_in_both_passes():
    """Each chunk's gradient is of the very projections that the loss saw: whole and chunked passes of a
    network that drops other units in pass 2 would disagree (next test)."""
    method, of = learner("simclr", encoder="alexnet")
    x_RCHW = noise(2 * IMAGES, seed=1)
    targets_BH = torch.arange(IMAGES)[:, None]
    seen: list[Tensor] = []
    forward = method.forward
    method.forward = lambda x: seen.append(forward(x)) or seen[-1]
    forward_backward(method, of, parts_of(x_RCHW, 6), targets_BH, cached=True)
    assert len(seen) == 8
    assert all(torch.equal(a, b) for a, b in zip(seen[:4], seen[4:], strict=True))
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("encoder", ["alexnet", "plain dropout"])
def test_without_putting_back_the_passes_differ(encoder: str, monkeypatch: pytest.MonkeyPatch):
    def passes() -> tuple[Tensor, Tensor]:
        method, of = learner("simclr", encoder="alexnet" if encoder == "alexnet" else "convnet")
        if encoder != "alexnet":
            method.head = nn.Sequential(nn.Dropout(0.5), method.head)
        seen: list[Tensor] = []
        forward = method.forward
        method.forward = lambda x: seen.append(forward(x)) or seen[-1]
        parts = parts_of(noise(2 * IMAGES, seed=1), 2 * IMAGES)
        forward_backward(method, of, parts, torch.arange(IMAGES)[:, None], cached=True)
        return seen[0], seen[1]

    assert torch.equal(*passes())
    monkeypatch.setattr(step, "unchanged", lambda method, but: nullcontext())
    assert not torch.equal(*passes())


def test_memory_that_does_not_do_for_the_batch_makes_chunks_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    words = ["train", "simclr", "digits", "--width=4", "--epochs=1", "--batch-size=256", "--threads=1"]
    words += ["--max-steps=2", "--precision=float32", "--no-report", "--out", str(tmp_path / "run")]
    seen: list[int | None] = []
    fit = Trainer.fit
    monkeypatch.setattr(Trainer, "fit", lambda self, resumed: (fit(self, resumed), seen.append(self.gradients.chunk)))
    assert main([*words, "--memory=8MB"]) == 0
    assert seen[0] is not None and seen[0] < 256
    assert f"batches of 256 in chunks of {seen[0]}" in capsys.readouterr().out


def test_memory_for_less_than_two_images_is_refused(tmp_path: Path):
    options = tiny_options("simclr", data="digits", out=str(tmp_path), image_size=None, memory="1KB", threads=1)
    with pytest.raises(LookalikeError, match="the graph of two images takes .*--memory"):
        api.train("simclr", options)


def test_what_a_graph_keeps_grows_with_the_network_and_not_with_who_asks():
    images = api.load_images("digits")

    def measured(width: int, rows: int) -> float:
        options = tiny_options("simclr", augment="digits", width=width, image_size=None, precision="float32")
        of = api.untrained_backbone(options, images, "cpu")
        method = find_method("simclr")(of.encoder, options, len(images)).train()
        before = {key: value.clone() for key, value in method.state_dict().items()}
        views = Views(method, of, options, images)
        found = graph_bytes(method, of, views, torch.arange(rows))
        assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
        return found

    assert measured(8, 8) == pytest.approx(measured(8, 16), rel=0.1)
    assert measured(16, 8) > 1.5 * measured(8, 8)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"micro_batch": "65"}, "--micro-batch 65 is more than --batch-size 64"),
        ({"micro_batch": "0"}, "--micro-batch must be auto or a positive integer, got '0'"),
        ({"micro_batch": "some"}, "--micro-batch must be auto or a positive integer, got 'some'"),
        ({"memory": "lots"}, "--memory must be a size such as 4GB or 500MB, got 'lots'"),
    ],
)
def test_chunks_that_cannot_be_are_named_before_anything_is_loaded(said: dict, problem: str, tmp_path: Path):
    options = tiny_options("simclr", data="digits", out=str(tmp_path / "run"), image_size=None, batch_size=64, **said)
    with pytest.raises(ConfigurationError, match=problem):
        api.train("simclr", options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 2**30), ("500 MB", 500 * 2**20), ("1.5gib", 3 * 2**29), ("1000", 1000)]
)
def test_sizes_of_memory(text: str, size: int):
    assert parse_bytes(text) == size


def test_a_full_gpu_halves_the_chunk_and_repeats_the_step(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
):
    """The error of a full GPU stands in for the GPU; the run's weights are those of the smaller chunks."""

    def weights(folder: str, **said: object) -> dict[str, Tensor]:
        options = tiny_options(
            "simclr", data="digits", out=str(tmp_path / folder), batch_size=64, threads=1, max_steps=3,
            image_size=None, precision="float64", augment="digits", check_every=100, **said,
        )  # fmt: skip
        return load_checkpoint(api.train("simclr", options).checkpoint)["method"]

    wanted = weights("asked", micro_batch="16")
    real, calls = gradients_module.forward_backward, []

    def full_at_first(method, backbone, parts, *rest):
        calls.append(len(parts))
        if len(calls) in (1, 2):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(method, backbone, parts, *rest)

    monkeypatch.setattr(gradients_module, "forward_backward", full_at_first)
    found = weights("full")
    assert calls == [1, 2, 4, 4, 4]
    assert "this step again, and all others, in chunks of 16" in heard.said
    assert all(torch.equal(value, found[key]) for key, value in wanted.items())


def test_a_gpu_that_does_not_hold_one_image_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gradients_module, "forward_backward", full)
    options = tiny_options("simclr", data="digits", out=str(tmp_path / "run"), image_size=None, threads=1)
    with pytest.raises(LookalikeError, match="does not hold one image's graph"):
        api.train("simclr", options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simclr", "deepcluster-v2"])
def test_a_batch_of_512_in_chunks_of_64(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[__name__], "IMAGES", 512)
    _, whole, _ = gradients(name, None)
    _, chunked, _ = gradients(name, 64)
    assert furthest(chunked, whole) <= 1e-10


def test_with_another_number_of_processes_what_fits_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A chunk that did for the share of one of two processes says nothing about the whole batch."""
    said = {"data": "digits", "batch_size": 256, "epochs": 1, "image_size": None, "threads": 1}
    out = tmp_path / "run"
    signal_after(monkeypatch, 2)
    with pytest.raises(Interrupted):
        api.train("simclr", tiny_options("simclr", **said, out=str(out)))
    monkeypatch.undo()
    path = out / "checkpoints" / "last.pt"
    state = load_checkpoint(path)
    assert (state["chunk"], state["processes"]) == (None, 1)
    state.pop("format")
    save_checkpoint(path, {**state, "chunk": 7, "processes": 2})
    api.train("simclr", tiny_options("simclr", **said, out=str(out)))
    assert load_checkpoint(path)["chunk"] is None
