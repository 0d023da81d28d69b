"""lookalike learns what the images of a collection have in common, without labels, and shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.lazy_import import lazy_import
from lookalike.core.method_facts import class_names
from lookalike.core.version import VERSION

if TYPE_CHECKING:
    from lookalike.core.errors import LookalikeError
    from lookalike.estimators import Estimator
    from lookalike.run import load
    from lookalike.training import train

__version__ = VERSION
# imported when they are asked for: the command line answers --help without torch and scikit-learn
_LAZY = {
    **dict.fromkeys(class_names(), "estimators"),
    "Estimator": "estimators",
    "LookalikeError": "core.errors",
    "load": "run",
    "train": "training",
}
__all__ = ["Estimator", "LookalikeError", "__version__", "load", "train", *class_names()]
__getattr__, __dir__ = lazy_import(__name__, _LAZY, globals())
