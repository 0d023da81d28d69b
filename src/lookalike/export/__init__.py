"""A run for other libraries: one module a format, found by its name. `base.export` is the way in."""

OFFERS = "ANY_NETWORK"
"""What a module defines that is a format: whether it takes any network (`core/registry.py`)."""
