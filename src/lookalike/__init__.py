"""lookalike learns what the images of a collection have in common, without labels, and shows it."""

__version__ = "0.1.0"
