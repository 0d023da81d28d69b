"""What the estimators share: images in, a run trained, features out; pickling; the page in a notebook.

The constructor stores, `fit` trains a run as the command line does, and what the object keeps afterwards is the
network with all that images need to enter it. The run folder is for looking: nothing that `transform` or `predict`
do needs it, and a pickle does not hold it.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from lookalike import api
from lookalike.core import machine, own_code
from lookalike.core.arithmetic import outside_autocast
from lookalike.core.errors import ConfigurationError, KeyboardInterrupted, LookalikeError, MachineError
from lookalike.core.heartbeat import Heartbeat
from lookalike.core.options import TrainOptions
from lookalike.core.process import threads_kept
from lookalike.core.progress import silence
from lookalike.core.record_types import Record
from lookalike.core.rng import drawn_seed
from lookalike.data.base import Images
from lookalike.engine.feature_extractor import load_feature_extractor
from lookalike.estimators.batches import batch_size
from lookalike.estimators.folder import TemporaryRun
from lookalike.estimators.packing import pack, unpack
from lookalike.estimators.parameters import constructor, defaults, documentation, in_python
from lookalike.estimators.rows import as_pictures
from lookalike.inputs import InputError, Scale, as_array, entering, levels, plain, raise_not_finite, read, warn
from lookalike.methods.base import Method
from lookalike.report.notebook import Page, page_of
from lookalike.runs.folder import RunFolder

ParameterTable = dict[str, tuple[object, str]]
"""Parameters that are no options of a method: default and meaning."""

_SHARED: ParameterTable = {
    "random_state": (0, "an int, a numpy RandomState to draw one from, or None for a different result each time"),
    "image_shape": (None, "(H, W), (C, H, W) or (H, W, C) of the images in 2-D rows; None lays a row into a square"),
    "out": (None, "run folder, in which fit goes on where it was stopped; None: a temporary one, gone with the object"),
    "verbose": (0, "0 is silent, 1 says how training goes"),
}


class UnfitError(InputError):
    """What cannot be fitted; a ValueError too."""


class Learner(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator around one method; subclasses name it and its options (`estimators/named.py`)."""

    method: ClassVar[str]
    """Its name, as `lookalike train` takes it."""
    kind: ClassVar[type[Method]]
    options: ClassVar[type[TrainOptions]]
    renamed: ClassVar[dict[str, str]] = {}
    """Option -> parameter, where the names differ."""
    extra_parameters: ClassVar[ParameterTable] = {}
    """Parameters of the estimator that are no options of the method."""
    usage: ClassVar[str] = """
    `METHOD(epochs=50).fit("photos/").transform(images)`: float32 features [N, D], for search, groups, few labels.

    Attributes: `encoder_` (a plain nn.Module, in eval mode), `run_` (the run folder), `n_features_in_`, `scale_` (the
    range of numbers taken as black to white; None for bytes and files).
    """
    """How it is used, for its docstring."""

    def __init_subclass__(cls, **rest: object) -> None:
        super().__init_subclass__(**rest)
        if "options" not in cls.__dict__:
            return
        parameters = {**cls.extra_parameters, **_SHARED}
        options = {cls.renamed.get(name, name): value for name, value in defaults(cls.options).items()}
        cls.__init__ = constructor(  # type: ignore[method-assign]
            cls.__name__, {name: value for name, (value, _) in parameters.items()} | options
        )
        cls.__doc__ = documentation(cls.__doc__, parameters, cls.options, cls.renamed)

    # -- scikit-learn's verbs ---------------------------------------------------------------------

    def fit(self, X: object, y: object = None) -> Self:
        """Train on the images of X; y is ignored.

        Args:
            X: a folder or other DATA as on the command line, a list or a column of paths (pandas and others), a list of
                PIL images, an array or tensor [N, H, W], [N, H, W, C] or [N, C, H, W], rows [N, D] (see `image_shape`),
                or a torch dataset. uint8 is 0..255; other numbers lie in [0, 1], or else in the range that is found now
                (`scale_`), in which later numbers have to lie too.
            y: ignored.

        Raises:
            UnfitError: no images, too few, or parameters that cannot be; a ValueError.
        """
        self._learn(X, y)
        return self

    def fit_transform(self, X: object, y: object = None, **_: object) -> np.ndarray:
        """`fit`, then the features (float32 [N, D]) of the same images."""
        return self._learn(X, y)

    def transform(self, X: object) -> np.ndarray:
        """Features (float32 [N, D]) of images; each depends on its own image alone.

        Args:
            X: what `fit` takes. Images of another size are brought to that of the network, and grey ones and colour
                ones into each other, with a warning.

        Raises:
            NotFittedError: not fitted yet. InputError: images that do not fit the network, in words; a ValueError.
        """
        check_is_fitted(self)
        return self._features(self._images(X))

    # -- the page ---------------------------------------------------------------------------------

    def report(self) -> Page:
        """The page of the run (written where it is not there yet), which a notebook shows inline.

        Raises:
            NotFittedError: not fitted yet. LookalikeError: the run folder is gone, as with an unpickled estimator.
        """
        check_is_fitted(self)
        run = getattr(self, "run_", None)
        if run is None:
            raise LookalikeError("this estimator came without its run folder: fit it with out= to keep the folder")
        return page_of(run, self.threads)

    def _repr_html_inner(self) -> str:
        return self._page_or_diagram()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        return bundle | {"text/html": self._page_or_diagram()} if get_config()["display"] == "diagram" else bundle

    def _page_or_diagram(self) -> str:
        """The page once there is a run to show, until then scikit-learn's own picture of an estimator."""
        run = getattr(self, "run_", None)
        if run is None or not run.record.is_file():
            return estimator_html_repr(self)
        try:
            return self.report()._repr_html_()
        except LookalikeError:  # a full disk, say: whoever looks at an estimator shall see it all the same
            return estimator_html_repr(self)

    # -- fitting ----------------------------------------------------------------------------------

    def _learn(self, X: object, y: object) -> np.ndarray:
        with Heartbeat(sys.stdout) if self.verbose else silence():
            return self._learned(X, y)

    @outside_autocast
    def _learned(self, X: object, y: object) -> np.ndarray:
        X = plain(X)
        images = self._with_labels(self._images(X, reset=True), y)
        rows = self._trained_on(images)
        if rows < 2:
            raise UnfitError(f"n_samples={rows}: {type(self).__name__} learns by telling images apart, and needs two")
        options, named = self._named_options(X, rows)
        network = self.encoder if isinstance(self.encoder, nn.Module) else None
        run = TemporaryRun() if self.out is None else RunFolder(Path(self.out))
        options.out = str(run.path)
        with self._in_words(), self._threads():
            api.train(
                self.method,
                options,
                named,
                images=images,
                encoder=copy.deepcopy(network),  # what the constructor was given stays untrained
                command=f"{type(self).__name__}.fit",
            )
            backbone = load_feature_extractor(
                run.encoder, machine.resolve_device(options.device), copy.deepcopy(network)
            )
            features = backbone.features(images.center_crops)
            api.finish(run, images=images, features=features)
            if self.scale_ is not None:
                run.update(scale=dataclasses.astuple(self.scale_))
            self.run_, self._backbone = run, backbone
            self.encoder_ = backbone.encoder
            self._n_features_out = features.shape[1]
            if not self._rows:
                self.n_features_in_ = math.prod(images.shape)
            self._after_training(images, features)
        return features.numpy()

    def _with_labels(self, images: Images, y: object) -> Images:
        """The images to train on; y is not looked at."""
        return images

    def _trained_on(self, images: Images) -> int:
        """How many of the images are trained on."""
        return len(images.training)

    def _after_training(self, images: Images, features_ND: Tensor) -> None:
        """What is found in the features of all images."""

    def _named_options(self, X: object, n: int) -> tuple[TrainOptions, set[str]]:
        """The options, and the names of those that were given: all parameters that are not None."""
        values = {name: getattr(self, self.renamed.get(name, name)) for name in defaults(self.options)}
        # numpy's numbers, as a grid of parameters gives them, have no place in a configuration file
        options = {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items() if v is not None}
        if isinstance(options.get("encoder"), nn.Module):
            del options["encoder"]
        options = own_code.named(options)
        with self._in_words():
            size = batch_size(options.get("batch_size"), n)
            options |= {"seed": self._draw_seed()} | ({} if size is None else {"batch_size": size})
            if isinstance(X, str | os.PathLike):
                options["data"] = os.fspath(X)
            return self.options(**options), set(options)

    def _draw_seed(self) -> int:
        state = self.random_state
        if state is None:
            return int(np.random.SeedSequence().generate_state(1, np.uint32)[0] >> 1)
        return int(state) if isinstance(state, int | np.integer) else drawn_seed(state)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Errors of the engine as errors of an estimator: flags become parameters."""
        try:
            yield
        except KeyboardInterrupted as error:  # of its very type, as Python ends a program by SIGINT for no other
            raise KeyboardInterrupt(str(error)) from None
        except (InputError, MachineError):
            raise
        except LookalikeError as error:
            text = str(error) if not isinstance(error, ConfigurationError) else "; ".join(error.problems)
            raise UnfitError(in_python(text, self.renamed)) from error
        except TypeError as error:  # values of a type that cannot be compared with numbers
            raise UnfitError(f"a parameter of {type(self).__name__} is of the wrong type: {error}") from error

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """PyTorch computes with `threads` inside."""
        with threads_kept():
            machine.use_threads(self.threads)
            yield

    # -- images in, features out ------------------------------------------------------------------

    def _images(self, X: object, reset: bool = False) -> Images:
        """X as squares; on `reset` what is found out about it is remembered."""
        X = plain(X)
        array = as_array(X)
        rows = issparse(X) or (array is not None and array.ndim not in (3, 4))
        if reset:
            self._rows = rows
        elif rows != self._rows:
            was, now = ("rows of numbers", "images") if self._rows else ("images", "rows of numbers")
            raise InputError(f"this {type(self).__name__} was fitted to {was}, and these are {now}")
        if rows and array is not None:
            raise_not_finite(array, "row")
        if rows:  # scikit-learn's own checks of a matrix
            array = validate_data(self, array if isinstance(X, Tensor) else X, reset=reset, dtype="numeric")
        if reset:
            self.scale_ = None if array is None else Scale.from_array(array)
        size = self.image_size if reset else self._backbone.spec.image_size
        with self._in_words():
            if array is None:
                return read(X, size, self.scale_, self.download)
            array = levels(array, self.scale_)
            return read(as_pictures(array, self.image_shape) if rows else array, size)

    def _features(self, images: Images) -> np.ndarray:
        pixels, messages = entering(images, self._backbone.spec.channels)
        warn(messages)
        with self._threads():
            return self._backbone.features(pixels).numpy()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_backbone")

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []  # features are float32 whatever the images were
        return tags

    # -- pickling ---------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, object]:
        """Parameters, the network's weights as arrays, what was found; not the temporary folder."""
        state = dict(super().__getstate__())
        if isinstance(state.get("run_"), TemporaryRun):
            del state["run_"]
        state.pop("encoder_", None)
        if "_backbone" in state:
            state["_backbone"] = pack(state["_backbone"])
        return state

    def __setstate__(self, state: Record) -> None:
        packed = state.get("_backbone")
        if packed is not None:
            backbone = unpack(packed, self._usable(state.get("device", "auto")))
            state = {**state, "_backbone": backbone, "encoder_": backbone.encoder}
        super().__setstate__(state)

    @staticmethod
    def _usable(device: str) -> str:
        """A device, or the CPU where that one is not on this machine."""
        try:
            return machine.resolve_device(device)
        except LookalikeError:
            return "cpu"
