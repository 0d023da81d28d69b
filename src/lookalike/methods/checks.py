"""What a method must not return, told with the file and line of its own code. No check waits for a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lookalike.core.errors import did_you_mean
from lookalike.core.own_code import OwnCodeError, place_of, wrong
from lookalike.core.plan import Plan
from lookalike.core.words import counted
from lookalike.methods.base import Method, Outputs, View, tensors_of

_SETTINGS = ("lr_factor", "constant", "momentum", "weight_decay")


def checked_outputs(method: Method, out: Outputs, rows: int) -> Outputs:
    """What `forward` returned for so many rows.

    Raises:
        OwnCodeError: it is no tensor and no NamedTuple of tensors, or one of them has not a row for each image; in
            training, where none of them depends on a parameter.
    """
    if not isinstance(out, Tensor) and not (isinstance(out, tuple) and out and all(isinstance(z, Tensor) for z in out)):
        kinds = (
            f"a tuple of {', '.join(type(z).__name__ for z in out)}" if isinstance(out, tuple) else type(out).__name__
        )
        raise _wrong(method, "forward", f"returned {kinds}: it must return a tensor or a NamedTuple of tensors")
    for name, z in zip(_names(out), tensors_of(out), strict=True):
        if z.ndim < 2 or len(z) != rows:
            shape = list(z.shape)
            raise _wrong(
                method,
                "forward",
                f"returned {name} of shape {shape} for {counted(rows, 'image')}: it must be [{rows}, ...]",
            )
    if torch.is_grad_enabled() and not any(z.requires_grad for z in tensors_of(out)):
        raise _wrong(method, "forward", "returned nothing that depends on a parameter, so that nothing can be learned")
    return out


def checked_loss(method: Method, loss: object) -> Tensor:
    """What `loss` returned.

    Raises:
        OwnCodeError: it is no floating scalar, or depends on no output.
    """
    if not isinstance(loss, Tensor) or loss.ndim > 0 or not loss.is_floating_point():
        what = (
            f"a tensor of shape {list(loss.shape)}, {loss.dtype}" if isinstance(loss, Tensor) else type(loss).__name__
        )
        raise _wrong(method, "loss", f"returned {what}: it must return one floating number, such as a mean")
    if not loss.requires_grad:
        raise _wrong(method, "loss", "returned a value that depends on no output of forward that learns")
    return loss


def raise_unused(method: Method, leaves: Sequence[Tensor]) -> None:
    """
    Raises:
        OwnCodeError: after `loss.backward()` none of the outputs has a gradient.
    """
    if all(leaf.grad is None for leaf in leaves):
        raise _wrong(method, "loss", "returned a value that depends on no output of forward that learns")


def checked_plan(method: Method, plan: object, least: int) -> Plan:
    """What `plan` returned for `method.n` images, of which an epoch takes `least`.

    Raises:
        OwnCodeError: it is no plan, draws too few images or some that are not there, or lacks a target of an image.
    """
    if not isinstance(plan, Plan):
        raise _wrong(method, "plan", f"returned {type(plan).__name__}: it must return a lookalike.core.plan.Plan")
    order_M, targets_NH = plan.order_M, plan.targets_NH
    if order_M.ndim != 1 or order_M.dtype != torch.int64 or len(order_M) < least:
        shape = f"{list(order_M.shape)}, {order_M.dtype}"
        raise _wrong(method, "plan", f"returned an order_M of shape {shape}: it must be int64 [M], M at least {least}")
    if least and not 0 <= int(order_M.min()) <= int(order_M.max()) < method.n:
        drawn = f"rows {int(order_M.min())} to {int(order_M.max())}"
        raise _wrong(method, "plan", f"returned an order_M of {drawn}: there are rows 0 to {method.n - 1}")
    if targets_NH.ndim != 2 or len(targets_NH) != method.n:
        shape = str(list(targets_NH.shape))
        raise _wrong(method, "plan", f"returned a targets_NH of shape {shape}: it must be [{method.n}, heads]")
    names = [name for name, _ in method.named_parameters()]
    for name in plan.reset_params:
        if name not in names:
            raise _wrong(method, "plan", f"names {name!r} in reset_params: {did_you_mean(name, names)}")
    return plan


def checked_method(method: Method) -> Method:
    """A method as `setup` has made it.

    Raises:
        OwnCodeError: it has no views, nothing in it learns, or `param_groups` names parameters or settings that are not
            there.
    """
    if not method.views or not all(isinstance(view, View) for view in method.views):
        raise wrong(type(method), f"{type(method).__name__}.views must have one View at least, and nothing else")
    if not any(p.requires_grad for p in method.parameters()):
        raise _wrong(method, "setup", "left no parameter that requires a gradient, so that nothing can be learned")
    names = [name for name, _ in method.named_parameters()]
    for prefix, settings in method.param_groups().items():
        if not any(name.startswith(prefix) for name in names):
            raise _wrong(method, "param_groups", f"has {prefix!r}, as no name begins: {did_you_mean(prefix, names)}")
        for setting in settings:
            if setting not in _SETTINGS:
                raise _wrong(method, "param_groups", f"has the setting {setting!r}: {did_you_mean(setting, _SETTINGS)}")
    return method


def place_of_loss(method: Method) -> str:
    """Where the loss of a method from outside of this package is, for a message on what it returned; else nothing."""
    ours = type(method).__module__.startswith("lookalike.")
    return "" if ours else place_of(type(method).loss)


def _wrong(method: Method, function: str, words: str) -> OwnCodeError:
    return wrong(getattr(type(method), function), f"{type(method).__name__}.{function} {words}")


def _names(out: Outputs) -> Sequence[str]:
    if isinstance(out, Tensor):
        return ("a tensor",)
    return getattr(out, "_fields", None) or [f"tensor {k}" for k in range(len(out))]
