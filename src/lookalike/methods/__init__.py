"""What is learned, and how: one file a method."""

OFFERS = "Learner"
"""What a module defines that is a method (`core/registry.py`)."""
