"""What every method promises. `name` is the method under test, as `lookalike train` takes it.

That its features are worth something is for its author to measure: `lookalike train`, then `lookalike evaluate`.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lookalike import api
from lookalike.cli.main import main
from lookalike.contract.stand_ins import FakeCollection, in_processes, noise, parts_of, tiny_method, tiny_options
from lookalike.core.comm import SINGLE, Comm
from lookalike.core.errors import Interrupted
from lookalike.core.metrics import read_metrics
from lookalike.core.options import TrainOptions, flag
from lookalike.data.base import Images
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.distributed import parallel
from lookalike.engine.feature_extractor import FeatureExtractor, placed
from lookalike.engine.step import average_statistics, forward_backward
from lookalike.engine.views import Views
from lookalike.estimators import Estimator
from lookalike.methods.base import Method, Step, like, tensors_of
from lookalike.methods.find import find_method
from lookalike.methods.momentum import Momentum
from lookalike.optim.groups import build_optimizer
from lookalike.runs.folder import RunFolder

IMAGES = 12
GPU = "meta"  # PyTorch's device without memory: whoever needs an answer from it fails


def planned(name: str, comm: Comm = SINGLE, norm: str = "group") -> tuple[Method, FeatureExtractor, Tensor]:
    """A tiny method of a few images, and the targets of its first plan, which is made alone: all have the same."""
    method, backbone = tiny_method(name, IMAGES, norm=norm)
    targets_NH = method.plan(0, FakeCollection(method, IMAGES)).targets_NH
    method.comm = comm
    return method, backbone, targets_NH


def step_in(comm: Comm, name: str, chunk: int | None = None, norm: str = "group") -> dict[str, Tensor]:
    """Loss, gradients and statistics of a batch that is divided among the processes."""
    method, backbone, targets_NH = planned(name, comm, norm=norm)
    share = IMAGES // comm.size
    mine = slice(comm.rank * share, (comm.rank + 1) * share)
    network = parallel(method) if comm.size > 1 else None
    parts = parts_of(method, IMAGES, mine, chunk)
    loss, _ = forward_backward(method, backbone, parts, targets_NH[mine], chunk is not None, network)
    average_statistics(method)
    tensors = {key: p.grad for key, p in method.named_parameters() if p.requires_grad and p.grad is not None}
    tensors |= {key: b for key, b in method.named_buffers() if "running" in key}
    return {**tensors, "loss": comm.sum(loss)}


def running_statistics(name: str, rows: slice) -> dict[str, Tensor]:
    """BatchNorm's running statistics after a batch of some of the images."""
    method, backbone, targets_NH = planned(name, norm="batch")
    forward_backward(method, backbone, parts_of(method, IMAGES, rows), targets_NH[rows])
    return {key: buffer for key, buffer in method.named_buffers() if "running" in key}


def steps_in(comm: Comm, names: tuple[str, ...]) -> dict[str, dict[str, Tensor]]:
    """Steps of several methods: two processes take longer to start than to compute."""
    steps: dict[str, dict[str, Tensor]] = {}
    for name in names:
        steps |= {f"{name} {chunk}": step_in(comm, name, chunk) for chunk in (None, 5)}
        steps[f"{name} batch"] = step_in(comm, name, norm="batch")
    return steps


@cache
def in_two(names: tuple[str, ...]) -> list[dict[str, dict[str, Tensor]]]:
    """The same in each of two processes."""
    return in_processes(steps_in, names)


@pytest.fixture(scope="module")
def two(name: str, shared_methods: tuple[str, ...]) -> list[dict[str, dict[str, Tensor]]]:
    """What two processes came to."""
    return in_two(shared_methods if name in shared_methods else (name,))


@pytest.fixture(scope="session")
def shared_methods() -> tuple[str, ...]:
    """Methods that share one start of two processes."""
    return ()


def furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference, relative to the largest value of the same tensor or to a millionth of the largest."""
    assert one.keys() == other.keys()
    least = 1e-6 * max(float(value.abs().max()) for value in other.values())
    return max(float((one[k] - other[k]).abs().max() / other[k].abs().max().clamp_min(least)) for k in other)


def whole_loss(method: Method, x_RCHW: Tensor, targets_BH: Tensor) -> Tensor:
    """The loss of views of one size, without a cut."""
    out = method(x_RCHW)
    split = [z.unflatten(0, (-1, len(targets_BH))).transpose(0, 1) for z in tensors_of(out)]
    return method.loss(like(out, split), targets_BH, SINGLE)


# -- the class ------------------------------------------------------------------------------------------


def test_it_has_a_title_and_options_with_help(name: str, capsys: pytest.CaptureFixture) -> None:
    kind = find_method(name)
    assert kind.title
    with pytest.raises(SystemExit):
        main(["train", name, "--help"])
    text = capsys.readouterr().out
    assert all(flag(f.name) in text for f in dataclasses.fields(kind.Options) if f.name != "data")


def test_its_presets_are_values_of_its_options(name: str) -> None:
    kind = find_method(name)
    for values in kind.presets.values():
        assert list(kind.Options(**values).problems()) == []


def test_a_method_made_twice_is_the_same(name: str) -> None:
    one, other = (tiny_method(name)[0].state_dict() for _ in range(2))
    torch.rand(3)  # the global generator has no say
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) for key, value in one.items())


# -- the plan -------------------------------------------------------------------------------------------


def test_the_plan_is_a_function_of_seed_and_epoch(name: str) -> None:
    one, two = tiny_method(name, 100)[0], tiny_method(name, 100)[0]
    first = one.plan(0, FakeCollection(one, 100))
    torch.rand(3)
    again = two.plan(0, FakeCollection(two, 100))
    assert torch.equal(first.order_M, again.order_M)
    assert torch.equal(first.targets_NH, again.targets_NH)
    assert not torch.equal(first.order_M, one.plan(1, FakeCollection(one, 100)).order_M)


def test_the_plan_is_about_all_images(name: str) -> None:
    method = tiny_method(name, 100)[0]
    plan = method.plan(0, FakeCollection(method, 100))
    assert plan.order_M.dtype == plan.targets_NH.dtype == torch.int64
    assert plan.order_M.shape == (100,)
    assert plan.targets_NH.ndim == 2 and plan.targets_NH.shape[0] == 100
    if getattr(method.options, "balanced", False):  # drawn by clusters, a row may come twice or never
        assert 0 <= plan.order_M.min() <= plan.order_M.max() < 100
    else:
        assert sorted(plan.order_M.tolist()) == list(range(100))


def test_planning_leaves_the_network_as_it_was(name: str) -> None:
    method = tiny_method(name)[0]
    method.plan(0, FakeCollection(method))
    before = {key: value.clone() for key, value in method.encoder.state_dict().items()}
    plan = method.plan(1, FakeCollection(method))
    assert all(torch.equal(value, before[key]) for key, value in method.encoder.state_dict().items())
    assert set(plan.reset_params) <= {key for key, _ in method.named_parameters()}
    assert all(p.grad is None for p in method.parameters())


# -- the step -------------------------------------------------------------------------------------------


def test_permuting_the_batch_changes_nothing(name: str) -> None:
    method, _ = tiny_method(name)
    large = [view for view in method.views if view.size is None]
    views = sum(view.count for view in large)
    x_VBCHW = noise(8 * views, seed=3).unflatten(0, (views, 8))
    plan = method.plan(0, FakeCollection(method))
    rows = plan.order_M[:8]
    order = torch.tensor([3, 1, 7, 0, 6, 2, 5, 4])
    straight = whole_loss(method, x_VBCHW.flatten(0, 1), plan.targets_NH[rows])
    shuffled = whole_loss(method, x_VBCHW[:, order].flatten(0, 1), plan.targets_NH[rows[order]])
    torch.testing.assert_close(straight, shuffled, rtol=1e-12, atol=1e-14)


def test_every_parameter_learns_and_momentum_copies_do_not(name: str) -> None:
    method, backbone, targets_NH = planned(name)
    frozen = {id(p) for m in method.modules() if isinstance(m, Momentum) for p in m.parameters()}
    forward_backward(method, backbone, parts_of(method, IMAGES), targets_NH)
    still = [k for k, p in method.named_parameters() if id(p) not in frozen and (p.grad is None or not p.grad.any())]
    moved = [k for k, p in method.named_parameters() if id(p) in frozen and (p.requires_grad or p.grad is not None)]
    assert (still, moved) == ([], [])


def test_the_cut_equals_differentiating_the_whole_graph(name: str) -> None:
    (cut, backbone, targets_NH), (whole, _, _) = planned(name), planned(name)
    parts = parts_of(cut, IMAGES)
    loss, cut_out = forward_backward(cut, backbone, parts, targets_NH)
    outs = [whole(part()) for part in parts]
    joined = [torch.cat(z) for z in zip(*map(tensors_of, outs), strict=True)]
    split = [z.unflatten(0, (-1, IMAGES)).transpose(0, 1) for z in joined]
    expected = whole.loss(like(outs[0], split), targets_NH, SINGLE)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12, abs=1e-14)
    for z, uncut in zip(tensors_of(cut_out), split, strict=True):  # which `on_step_end` is given
        assert not z.requires_grad
        torch.testing.assert_close(z, uncut.detach(), rtol=1e-12, atol=1e-14)
    for p, q in zip(cut.parameters(), whole.parameters(), strict=True):
        assert (p.grad is None) is (q.grad is None)
        if p.grad is not None:
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("rows", [1, 5, 8])
def test_chunks_give_the_gradients_of_the_whole_batch(name: str, rows: int) -> None:
    assert furthest(step_in(SINGLE, name, rows), step_in(SINGLE, name)) <= 1e-10


@pytest.mark.parametrize("chunk", [None, 5])
def test_two_processes_have_the_loss_and_gradients_of_one(name: str, chunk: int | None, two: list) -> None:
    """A loss that is right alone is right in several, where it uses `comm`."""
    alone = step_in(SINGLE, name)
    for steps in two:
        assert furthest(steps[f"{name} {chunk}"], alone) <= 1e-10
    one, other = (steps[f"{name} {chunk}"] for steps in two)
    assert all(torch.equal(one[key], other[key]) for key in other)  # so that weights never drift apart


def test_statistics_are_the_mean_of_those_of_the_processes(name: str, two: list) -> None:
    one, other = ({k: v for k, v in steps[f"{name} batch"].items() if "running" in k or k == "loss"} for steps in two)
    assert furthest(one, other) == 0
    first, second = (running_statistics(name, rows) for rows in (slice(IMAGES // 2), slice(IMAGES // 2, IMAGES)))
    mean = {key: (first[key] + second[key]) / 2 for key in first}
    assert furthest({key: one[key] for key in mean}, mean) <= 1e-10


class Watching(TorchDispatchMode):
    """Notes copies from the CPU to the device that the CPU would wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[str] = []

    def __torch_dispatch__(
        self,
        function: Callable[..., object],
        types: Sequence[type],
        args: Sequence[Tensor] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        moved = function is torch.ops.aten._to_copy.default and args[0].device.type == "cpu"
        if moved and torch.device(str(kwargs.get("device") or "cpu")).type == GPU and not kwargs.get("non_blocking"):
            self.waited.append(f"{tuple(args[0].shape)} {args[0].dtype}")
        return function(*args, **kwargs)


def step_on_a_gpu(name: str) -> Iterator[Tensor]:
    """One step on a device that cannot answer."""
    options = tiny_options(name, augment="crop-flip", norm="batch")
    pixels = torch.zeros(24, 3, 16, 16, dtype=torch.uint8)
    images = Images(pixels, tuple(map(str, range(24))), labels=torch.arange(24) % 3, classes=("a", "b", "c"))
    backbone = api.untrained_backbone(options, images, GPU)
    method = placed(find_method(name)(backbone.encoder, options, 24, 3), GPU)
    views = Views(method, backbone, options, images)
    optimizer = build_optimizer(method, "sgd", 0.1, 0.9, 1e-4, method.param_groups())
    targets_NH = torch.zeros(24, getattr(options, "heads", 1), dtype=torch.int64)
    with Watching() as watching:
        local_B = torch.arange(16)
        targets_BH = targets_NH[local_B].to(GPU, non_blocking=True)
        step = method.step = Step(3, 9, 1 / 3, 1)
        loss, out = forward_backward(method, backbone, views.parts(0, images.training[local_B]), targets_BH)
        method.on_gradients(step)
        optimizer.step()
        method.on_step_end(step.ended(out, local_B))
        yield loss
    assert watching.waited == []


def test_a_step_asks_a_gpu_for_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it does not know the device
    (loss,) = step_on_a_gpu(name)
    assert loss.device.type == GPU


# -- whole runs -----------------------------------------------------------------------------------------


@cache
def digits() -> Images:
    """A few of the bundled digits."""
    images = api.load_images("digits")
    return images.of_rows(images.training[:200])


def short_options(name: str, out: Path, **options: object) -> TrainOptions:
    """Two epochs of a few batches on digits."""
    usual: dict[str, object] = {"epochs": 2, "batch_size": 48, "image_size": None, "norm": "batch", "threads": 1}
    quiet = {"check_every": 100, "report": False, "snapshots": False}
    return tiny_options(name, data="digits", out=str(out), augment="digits", **(usual | quiet | options))


@pytest.fixture(scope="module")
def trained(name: str, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A short run."""
    return api.train(name, short_options(name, tmp_path_factory.mktemp("trained") / "run"), images=digits())


def test_interrupted_and_resumed_equals_uninterrupted(
    name: str, trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = find_method(name)
    on_step_end = kind.on_step_end

    def stopping(self: Method, step: Step) -> None:
        on_step_end(self, step)
        if step.index == 4:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(kind, "on_step_end", stopping)
    with pytest.raises(Interrupted):
        api.train(name, short_options(name, tmp_path / "stopped"), images=digits())
    monkeypatch.undo()
    resumed = api.train(name, short_options(name, tmp_path / "stopped"), images=digits())
    a, b = load_checkpoint(trained.checkpoint), load_checkpoint(resumed.checkpoint)
    assert a["method"].keys() == b["method"].keys()
    assert all(torch.equal(tensor, b["method"][key]) for key, tensor in a["method"].items())


def test_labels_change_what_is_learned_only_where_a_method_declares_it(
    name: str, trained: RunFolder, tmp_path: Path
) -> None:
    images = digits()
    assert images.labels is not None
    others = dataclasses.replace(images, labels=images.labels.roll(1))
    run = api.train(name, short_options(name, tmp_path / "others"), images=others)
    one, other = (load_checkpoint(r.checkpoint)["method"] for r in (trained, run))
    same = all(torch.equal(value, other[key]) for key, value in one.items())
    assert same is not find_method(name).needs_labels


@pytest.mark.parametrize("precision", ["bf16", "float64"])
def test_it_trains_in_other_precisions(name: str, precision: str, tmp_path: Path) -> None:
    options = short_options(name, tmp_path / "run", precision=precision, max_steps=2, batch_size=16)
    run = api.train(name, options, images=digits())
    losses = [event["loss"] for event in read_metrics(run.metrics) if event["event"] == "epoch"]
    assert losses and all(map(math.isfinite, losses))
    assert all(tensor.isfinite().all() for tensor in load_file(run.encoder).values())


def test_a_run_in_chunks_is_a_run(name: str, tmp_path: Path) -> None:
    weights = []
    for micro in ("48", "20"):
        options = {"precision": "float64", "norm": "group", "max_steps": 3, "micro_batch": micro}
        run = api.train(name, short_options(name, tmp_path / micro, **options), images=digits())
        weights.append(load_checkpoint(run.checkpoint)["method"])
    learned = dict(tiny_method(name)[0].named_parameters())  # heads and momentum copies too
    assert learned.keys() <= weights[0].keys()
    for key in learned:
        torch.testing.assert_close(weights[1][key], weights[0][key], rtol=1e-9, atol=1e-11, msg=key)


def test_a_run_has_features_and_a_page(name: str, trained: RunFolder) -> None:
    assert api.finish(trained, images=digits()).features.isfinite().all()
    assert main(["report", str(trained.path)]) == 0
    page = trained.report.read_text(encoding="utf-8")
    assert find_method(name).title.split()[0] in page


def test_it_is_an_estimator(name: str) -> None:
    x = (noise(48, seed=0, side=12)[:, 0] * 255).to(torch.uint8).numpy()
    options = {"epochs": 1, "width": 4, "batch_size": 16, "threads": 1}
    kind = find_method(name)
    accepted = {
        key: value for key, value in {**options, "head_size": 16}.items() if key in kind.Options.__dataclass_fields__
    }
    model = Estimator(method=name, **accepted).fit(x, np.arange(48) % 2)
    features = model.transform(x)
    assert features.shape[0] == 48 and np.isfinite(features).all()
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.transform(x), features)
