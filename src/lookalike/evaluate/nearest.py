"""Where `nearest` stood before the package `lookalike.neighbors`; results on record name it by this path."""

from lookalike.neighbors.exact import nearest

__all__ = ["nearest"]
