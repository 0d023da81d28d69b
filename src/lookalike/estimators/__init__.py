"""The methods as scikit-learn estimators, for images in any form: features, groups, classes.

`SimCLR`, `DeepCluster` and the others are made from the classes of `lookalike.methods`; `Estimator` takes any method.
"""

from lookalike.core.method_facts import built_in_methods
from lookalike.core.process import generator_kept

with generator_kept():  # scikit-learn imports rich
    from lookalike.estimators.named import Estimator, estimator_named

__all__ = ["Estimator", *(facts.class_name for facts in built_in_methods().values())]


def __getattr__(name: str) -> object:
    return estimator_named(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
