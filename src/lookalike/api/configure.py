"""Every value of a run, decided once: one function over layers, which remembers where each value came from.

From the lowest to the highest: the defaults of the method's options; the preset for images of this kind; the method's
own word; what weights to start from were made with; and what was asked for, on the command line, in a configuration
file or from Python. Over these stands what an earlier start of the same run has decided. What is still open then
follows from the images, the device and the budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from torch import Tensor, nn

from lookalike.api.networks import channels_taken
from lookalike.api.pretrained import PretrainedWeights
from lookalike.core import machine
from lookalike.core.config import PYTHON, Config
from lookalike.core.errors import LookalikeError
from lookalike.core.options import AUTO, DEFAULT_LR, TrainOptions, flag, raise_problems, spoken
from lookalike.core.passed_over import PassedOver, sentences
from lookalike.core.record_types import Record
from lookalike.core.words import counted
from lookalike.data.base import Images
from lookalike.engine.budget import keeps_time
from lookalike.engine.pacing import CLOCK
from lookalike.engine.presets import FEWEST, choose_preset, count_distinct, early_problems, fitting, preset_layers

O = TypeVar("O", bound=TrainOptions)  # noqa: E741  # O as in options

IMAGES, BUDGET, EARLIER = "images", "budget", "earlier start"
"""Sources of values that nobody named."""

_ROWS_PER_CLUSTER = 10  # images of a cluster below which a default number of clusters is lowered
_LOOKS = 10  # in a run, where nobody says how often
_DECIDED = ("epochs", "max_steps", "schedule", "check_every")  # by the clock, in a run that a budget ended


def configure(
    asked: Config[O],
    images: Images,
    rows: Tensor,
    *,
    pretrained: PretrainedWeights | None = None,
    encoder: nn.Module | None = None,
    earlier: Record | None = None,
) -> Config[O]:
    """The configuration of a run. Only views that short trainings choose (`--augment auto`) stay open.

    Args:
        asked: what a person asks for.
        images: the data set.
        rows: int64, those of its images that are trained on.
        pretrained: the weights to start from.
        encoder: a network given from Python.
        earlier: config.toml of an earlier start of the run, where there was one.

    Raises:
        ConfigurationError: values that cannot be, all of them at once.
        LookalikeError: too few images for a batch, or weights that do not fit.
    """
    asked = with_weights(asked, pretrained)
    if encoder is not None:
        asked = asked.settled(PYTHON, encoder=f"python:{type(encoder).__name__}")
    config = asked.settled(IMAGES, preset=choose_preset(images)) if asked.options.preset == AUTO else asked
    layers, fixed = preset_layers(config.options.preset, config.method), asked.sources.keys()
    layers = fitting(layers, config.under(layers, fixed).options)
    config = _as_before(config.under(layers, fixed), fixed, earlier or {})
    config = _enough_images_a_cluster(config, fixed, len(rows))
    options = config.options
    raise_problems([*early_problems(options), *options.data_problems(len(rows), lambda: count_distinct(images, rows))])
    passed_over = images.listed.passed_over if images.listed else ()
    batch_size = _batch_size(options, "batch_size" in fixed, len(rows), passed_over)
    config = config.settled(IMAGES, image_size=images.shape[1], batch_size=batch_size)
    if options.lr is None:
        config = config.settled(f"optimizer {options.optimizer}", lr=DEFAULT_LR[options.optimizer])
    device = machine.resolve_device(options.device)
    config = config.settled(f"device {device}", precision=machine.resolve_precision(options.precision, device))
    if not options.check_every:
        config = config.settled(flag("epochs"), check_every=max(1, round(options.epochs / _LOOKS)))
    if pretrained is None:
        return config.settled(IMAGES, normalize="imagenet" if options.normalize == "imagenet" else "data")
    channels = channels_taken(pretrained, config.options, images, encoder)
    return config.settled(pretrained.source, normalize=pretrained.normalization(options, channels))


def with_weights(asked: Config[O], pretrained: PretrainedWeights | None) -> Config[O]:
    """What is asked for, with what the weights to start from say where nobody said otherwise."""
    return asked if pretrained is None else asked.under([pretrained.layer()], asked.meant)


def _as_before(config: Config[O], fixed: Iterable[str], earlier: Record) -> Config[O]:
    """With the views that an earlier start has chosen, and the schedule that the clock decides, or has decided."""
    if config.options.augment == AUTO and earlier:
        config = config.settled(EARLIER, augment=earlier.get("augment", AUTO))
    if not keeps_time(config.options, fixed):
        return config
    if earlier and earlier.get("schedule", "") != CLOCK:  # it was trained to its end
        return config.settled(EARLIER, **{name: earlier.get(name) for name in _DECIDED})
    return config.settled(BUDGET, schedule=CLOCK)


def _enough_images_a_cluster(config: Config[O], fixed: Iterable[str], n: int) -> Config[O]:
    """With fewer clusters than a default for thousands of images has, where there are few images."""
    clusters = getattr(config.options, "n_clusters", None)
    if clusters is None or "n_clusters" in fixed:
        return config
    return config.settled(IMAGES, n_clusters=min(clusters, max(2, n // _ROWS_PER_CLUSTER)))


def _batch_size(options: TrainOptions, explicit: bool, n: int, passed_over: Iterable[PassedOver]) -> int:
    """The batch size: what was asked for, or the default made smaller for a small collection."""
    if options.batch_size <= n or options.epochs == 0:
        return options.batch_size
    if explicit or n < 2 * FEWEST:
        raise LookalikeError(
            f"{spoken(options.data) or 'the data'} has {counted(n, 'training image')}, fewer than "
            + (f"--batch-size {options.batch_size}" if explicit else f"the {2 * FEWEST} that training needs")
            + ("; add images or name a smaller batch" if explicit else "; add images")
            + "".join(f". {sentence}" for sentence in sentences(passed_over)[0])
        )
    return max(FEWEST, 1 << ((n // 2).bit_length() - 1))
