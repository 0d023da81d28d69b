"""A run for other libraries: one module a format, found by its name. `base.export` is the way in."""
