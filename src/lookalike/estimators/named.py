"""The estimator of a method: made from its class, so that a method needs no file here."""

from __future__ import annotations

import inspect
from functools import cache
from types import new_class

from lookalike.core.method_facts import built_in_methods
from lookalike.estimators.base import Learner
from lookalike.estimators.classifiers import Classifier
from lookalike.estimators.clusterers import Clusterer
from lookalike.methods.base import Method
from lookalike.methods.find import find_method, name_of

_PACKAGE = "lookalike.estimators"


@cache
def estimator_of(kind: type[Method]) -> type[Learner]:
    """The estimator class of a method: a classifier where it learns from labels, a clusterer where it finds clusters,
    else a transformer."""
    base: type[Learner] = Classifier if kind.needs_labels else Clusterer if kind.finds_clusters else Learner
    facts = built_in_methods()
    name = name_of(kind)
    usage = inspect.cleandoc(base.usage).replace("METHOD", kind.__name__)
    about = inspect.cleandoc(kind.Options.__doc__ or kind.title).splitlines()[0]

    def body(namespace: dict[str, object]) -> None:
        namespace |= {"method": name, "kind": kind, "options": kind.Options, "__doc__": f"{about}\n\n{usage}"}
        namespace["__module__"] = _PACKAGE if name in facts else kind.__module__
        if name not in facts:  # no module has the class for pickle to find
            namespace["__reduce__"] = lambda self: (rebuilt, (name,), self.__getstate__())
        namespace["__qualname__"] = kind.__name__

    return new_class(kind.__name__, (base,), {}, body)


def estimator_named(name: str) -> type[Learner]:
    """The estimator of one of the package's methods, by the name of its class.

    Raises:
        AttributeError: there is none.
    """
    for facts in built_in_methods().values():
        if facts.class_name == name:
            return estimator_of(find_method(facts.name))
    raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")


def Estimator(method: str | type[Method], **parameters: object) -> Learner:  # noqa: N802 - it stands for a class
    """The estimator of any method, with its parameters: `Estimator(method=BYOL, epochs=50).fit(images)`.

    Args:
        method: a subclass of `Method`, or what `lookalike train` takes: `simclr`, `mine.py:BYOL`.
        parameters: as of the estimators that have names; options of the method by name.

    Raises:
        LookalikeError: no such method. TypeError: a parameter that it does not have.
    """
    return estimator_of(find_method(method))(**parameters)


def rebuilt(name: str) -> Learner:
    """An empty estimator of a method from elsewhere, for its pickle."""
    kind = estimator_of(find_method(name))
    return kind.__new__(kind)
