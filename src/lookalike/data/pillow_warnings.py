"""Pillow warns of odd tags in files that it reads all the same; they must be read where warnings are errors, too.

Filters of warnings belong to the whole process and to its owner. They are touched only where the owner makes errors of
warnings, for as long as an image is being read, and only by a filter of this module's own that is taken out again.
"""

from __future__ import annotations

import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_IGNORE: object = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as `warnings.filterwarnings` would add it
_LOCK = threading.Lock()
_changed: list[list[object]] = []  # the lists that have the filter, once for each thread that is reading


@contextmanager
def no_errors_from_warnings() -> Iterator[None]:
    """Within, a warning of Pillow is no exception. May be entered by several threads."""
    filters: object = warnings.filters
    assert isinstance(filters, list)  # typed as a sequence, which could not be changed
    if not any(entry[0] == "error" for entry in filters):
        yield
    elif getattr(sys.flags, "context_aware_warnings", False):
        with warnings.catch_warnings():  # the context's own
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    else:
        with _LOCK:
            filters.insert(0, _IGNORE)
            _changed.append(filters)
        try:
            yield
        finally:
            with _LOCK:
                _changed.pop(_changed.index(filters)).remove(_IGNORE)
