"""The methods: each is one file with a subclass of `Method`. A method of your own imports from here."""

from typing import TYPE_CHECKING

from lookalike.core.lazy_import import lazy_import

if TYPE_CHECKING:
    from lookalike.core.comm import SINGLE, Comm
    from lookalike.methods.base import Collection, Method, Step, View
    from lookalike.methods.find import find_method, method_names
    from lookalike.methods.momentum import Momentum, cosine

__all__ = [
    "SINGLE",
    "Collection",
    "Comm",
    "Method",
    "Momentum",
    "Step",
    "View",
    "cosine",
    "find_method",
    "method_names",
]

# imported when they are asked for: the command line reads the names of methods without torch
_LAZY = {
    **dict.fromkeys(("Collection", "Comm", "Method", "SINGLE", "Step", "View"), "base"),
    **dict.fromkeys(("find_method", "method_names"), "find"),
    **dict.fromkeys(("Momentum", "cosine"), "momentum"),
}
__getattr__, __dir__ = lazy_import(__name__, _LAZY, globals())
