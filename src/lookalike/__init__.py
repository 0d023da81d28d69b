"""lookalike learns what the images of a collection have in common, without labels, and shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookalike.core.later import later
from lookalike.core.version import VERSION

if TYPE_CHECKING:
    from lookalike.estimators import DeepCluster, DeepClusterV2, SimCLR, Supervised
    from lookalike.run import load

__version__ = VERSION
__all__ = ["DeepCluster", "DeepClusterV2", "SimCLR", "Supervised", "__version__", "load"]

# imported when they are asked for: the command line answers --help without torch and scikit-learn
_LATER = {
    "DeepCluster": "estimators",
    "DeepClusterV2": "estimators",
    "SimCLR": "estimators",
    "Supervised": "estimators",
    "load": "run",
}
__getattr__, __dir__ = later(__name__, _LATER, globals())
