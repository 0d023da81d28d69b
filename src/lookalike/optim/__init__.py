"""Optimisers, parameter groups, schedules of the learning rate."""

from lookalike.optim.lars import LARS

__all__ = ["LARS"]
