"""What a checkpoint holds of a training, and how a training goes back to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from lookalike.core.errors import LookalikeError
from lookalike.core.plan import Plan
from lookalike.engine import checkpoint
from lookalike.engine.budget import MEASURED
from lookalike.engine.checkpoint import load_checkpoint, own_state, whole_state
from lookalike.engine.pacing import ByClock, Leg
from lookalike.methods.find import identity

if TYPE_CHECKING:
    from lookalike.engine.loop import Trainer


def state_of(trainer: Trainer) -> dict[str, object]:
    """Everything a checkpoint holds; all processes ask for it together."""
    plan = None if trainer.plan is None else {"order": trainer.plan.order_M, "targets": trainer.plan.targets_NH}
    return {
        "architecture": _architecture(trainer),
        "step": trainer.step,
        "method": whole_state(trainer.method),
        "optimizer": trainer.optimizer.state_dict(),
        "plan": plan,
        "loss_sum": trainer.loss_sum,
        "loss_count": trainer.loss_count,
        "seconds": trainer.seconds,
        "baselines": trainer.baselines,
        "unrelated": trainer.watch.unrelated,
        "chunk": trainer.chunk,
        "processes": trainer.ranks.size,
        "behind": {name: getattr(trainer.behind, name) for name in MEASURED},
        "legs": [(leg.step, leg.progress, leg.growth) for leg in trainer.pacing.state()],
    }


def _architecture(trainer: Trainer) -> dict[str, object]:
    return {**asdict(trainer.backbone.spec), "method": identity(type(trainer.method))}


def restore(trainer: Trainer) -> None:
    """Go back to the last checkpoint of the run folder.

    Raises:
        LookalikeError: it belongs to another architecture.
    """
    state = load_checkpoint(trainer.run.checkpoint)
    checkpoint.raise_other_architecture(trainer.run.checkpoint, state["architecture"], _architecture(trainer))
    try:
        trainer.method.load_state_dict(own_state(trainer.method, state["method"], trainer.n))
        trainer.optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise LookalikeError(f"{trainer.run.checkpoint} does not fit this network: {error}") from error
    trainer.step = trainer.saved = state["step"]
    trainer.loss_sum, trainer.loss_count, trainer.seconds = state["loss_sum"], state["loss_count"], state["seconds"]
    trainer.baselines, trainer.watch.unrelated = state["baselines"], state["unrelated"]
    # chunks are those that the run began with, but memory that did for one share need not do for a larger one
    trainer.chunk = state["chunk"] if state.get("processes", 1) == trainer.ranks.size else trainer.chunked()
    if state["plan"] is not None:
        trainer.plan = Plan(state["plan"]["order"], state["plan"]["targets"])
    if isinstance(trainer.pacing, ByClock):
        for name, value in state["behind"].items():
            setattr(trainer.behind, name, value)
        trainer.pacing.legs = [Leg(*leg) for leg in state["legs"]]
