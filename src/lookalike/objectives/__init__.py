"""Losses: pure functions of tensors."""

# at once and not when asked for: a module has the name of its function, which stands here after the module is imported
from lookalike.objectives.cross_entropy import cross_entropy
from lookalike.objectives.nt_xent import nt_xent

__all__ = ["cross_entropy", "nt_xent"]
