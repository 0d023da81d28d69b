"""The curves and the maps as figures for a paper, by matplotlib, which is optional."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lookalike.core.errors import LookalikeError
from lookalike.core.files import write_atomically
from lookalike.core.made_here import KEY, MARK
from lookalike.core.record_types import Record
from lookalike.report.packing import unpacked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart without full colour vision.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
_KINDS = ("png", "pdf")
_CURVES = (
    # file, event, key, axis, key of the chance level
    ("loss", "epoch", "loss", "loss", "chance_loss"),
    ("learning_rate", "epoch", "lr", "learning rate", None),
    ("images_per_second", "epoch", "images_per_s", "images / s", None),
    ("own_image_found", "look", "retrieval", "own image found", None),
    ("knn", "look", "knn", "kNN accuracy", None),
    ("effective_rank", "look", "effective_rank", "effective rank", None),
    ("clusters_kept", "clustering", "nmi_previous", "NMI with the clustering before", None),
)


def need_matplotlib() -> None:
    """Find out whether matplotlib is there.

    Raises:
        LookalikeError: it is not; says how to install it.
    """
    try:
        import matplotlib  # noqa: F401 - only to see whether it is there
    except Exception as error:  # a broken installation raises anything
        raise LookalikeError(
            f"--matplotlib needs matplotlib, which cannot be imported ({error}): pip install 'lookalike[matplotlib]'"
        ) from error


def write_figures(data: Record, folder: Path) -> list[Path]:
    """Write the curves of all runs and the map frames of each, as PNG and PDF.

    Args:
        data: what `collect` gave.
        folder: made where it is not there.

    Returns:
        The files.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    written = []
    for name, kind, key, axis, chance in _CURVES:
        figure = Figure(figsize=(4, 3), layout="constrained")
        axes = figure.subplots()
        drawn = False
        for i, run in enumerate(data["runs"]):
            events = [e for e in run["curves"][kind] if e.get(key) is not None and e.get("head", 0) == 0]
            events = [e for e in events if e.get("of", "network") == "network"]
            if not events:
                continue
            drawn, colour = True, _COLOURS[i % len(_COLOURS)]
            axes.plot([e["epoch"] for e in events], [e[key] for e in events], color=colour, label=run["name"])
            if chance is not None and events[-1].get(chance) is not None:
                axes.axhline(events[-1][chance], color=colour, linestyle=":", label=f"{run['name']}, chance")
        if drawn:
            axes.set_xlabel("epoch")
            axes.set_ylabel(axis)
            axes.legend(frameon=False, fontsize="small")
            written += _save(figure, folder, name)
    for i, run in enumerate(data["runs"]):
        written += _maps(data["images"], run, folder, f"map_{i}" if len(data["runs"]) > 1 else "map")
    return written


def _maps(images: Record, run: Record, folder: Path, name: str) -> list[Path]:
    from matplotlib.figure import Figure

    if run["map"] is None:
        return []
    label = np.array(images["label"], np.int64)[unpacked(run["map"]["rows"])]
    written = []
    for moment, frame in zip(run["snapshots"], run["map"]["frames"], strict=True):
        points = unpacked(frame)
        figure = Figure(figsize=(4, 4), layout="constrained")
        axes = figure.subplots()
        for code in np.unique(label):
            of_label = points[label == code]
            text, colour = ("", "#999999") if code < 0 else (images["labels"][code], _COLOURS[code % len(_COLOURS)])
            # eight colours, then eight with another mark
            mark = "o^sv*"[code // len(_COLOURS) % 5] if code >= 0 else "o"
            axes.scatter(
                of_label[:, 0], of_label[:, 1], s=3, c=colour, marker=mark, linewidths=0, label=text, rasterized=True
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(1.02, -0.02), xticks=[], yticks=[], aspect="equal", title=moment["name"])
        if 1 < len(images["labels"]) <= 2 * len(_COLOURS):
            figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize="x-small", markerscale=3)
        written += _save(figure, folder, f"{name}_{moment['kind']}_{moment['step']:06d}")
    return written


def _save(figure: Figure, folder: Path, name: str) -> list[Path]:
    written = []
    for kind in _KINDS:
        data = io.BytesIO()
        figure.savefig(data, format=kind, dpi=200, metadata={KEY: MARK} if kind == "png" else None)
        path = folder / f"{name}.{kind}"
        write_atomically(path, lambda file, data=data: file.write(data.getvalue()))  # type: ignore[misc]  # bound now
        written.append(path)
    return written
