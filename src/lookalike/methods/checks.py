"""What a method must not return, told with the file and line of its own code. No check waits for a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lookalike.core.own_code import OwnCodeError, place_of, wrong
from lookalike.core.words import counted
from lookalike.methods.base import Method, Outputs, tensors_of


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
