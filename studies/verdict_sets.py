"""The image sets of studies/verdict.py: small, labelled, and different in what tells their classes apart.

Drawn here: `stripes` (the order of three colours), `arrows` (the direction, on colours that mean nothing), `shapes`
(the outline, on mottled grounds), `cells` (a kernel's size and roughness, in nearly the same colours). From places that
are named: digits, MNIST, CIFAR-10, or any folder with class folders.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter

from lookalike.core import rng
from lookalike.data.array import from_array
from lookalike.data.base import Images
from lookalike.data.loading import load

SIDE = 16  # px, of sets in colour
_TRAIN, _ASKED = 1000, 1000  # images of a set that are learned from, and that are asked, at the most
_DRAWN = 2000
_SUPER = 4  # drawn so many times as large, and then made smaller, so that edges are smooth


def named_set(name: str, place: str | None = None, most: int = _TRAIN) -> Images:
    """Images with labels and a split: train (learned from without labels, and kNN's bank) and test (asked).

    Args:
        name: of a drawn set; or, with `place`, any.
        place: DATA of a set that is not drawn.
        most: images that are learned from, at the most.
    """
    if place is None:
        return _with_split(from_array(*_DRAW[name](_DRAWN), name=name), most)
    images = load(place)
    if images.shape[0] == 3 and images.shape[1] > SIDE:
        images = dataclasses.replace(images, side=SIDE)
    return _with_split(dataclasses.replace(images, name=name), most)


def _with_split(images: Images, most: int) -> Images:
    assert images.labels is not None
    order = rng.permutation(0, "study/sample", 0, len(images))
    order = order[images.labels[order] >= 0]
    if images.split is None or len(images.training) < 2 * _ASKED:
        learned = order[: min(most, 2 * len(order) // 3)]
        asked = order[2 * len(order) // 3 :][:_ASKED]
    else:
        seen = torch.tensor([part == "train" for part in images.split])[order]
        learned, asked = order[seen][:most], order[~seen][:_ASKED]
    small = images.of_rows(torch.cat([learned, asked]))
    split = ("train",) * len(learned) + ("test",) * len(asked)
    pixels = small.center_crops[torch.arange(len(small))]  # squares of one size, so that nothing is scaled at each step
    return dataclasses.replace(
        small, pixels=pixels, split=split, sizes=None, side=None, known_digests=None, skipped=(), listed=None
    )


def copies(images: Images, distinct: int, seed: int = 0) -> Images:
    """As many training images as before, of which so many differ by more than a little noise."""
    rows = images.training
    chosen = rows[rng.permutation(seed, "study/copies", 0, len(rows))[:distinct]]
    noise = torch.randint(-3, 4, images.pixels[rows].shape, generator=torch.Generator().manual_seed(seed))
    pixels = torch.as_tensor(images.pixels[:]).clone()
    pixels[rows] = (pixels[chosen.repeat(-(-len(rows) // distinct))[: len(rows)]].int() + noise).clamp(0, 255).byte()
    return dataclasses.replace(images, pixels=pixels, labels=None, classes=(), known_digests=None)


def few(images: Images, count: int, seed: int = 0) -> Images:
    """So many of the training images, and no others."""
    rows = images.training
    return images.of_rows(rows[rng.permutation(seed, "study/few", 0, len(rows))[:count]])


def _stripes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """12 orders of colours in three stripes; shades, light and widths vary."""
    draw = np.random.default_rng(1)
    hues = np.array([[200, 30, 40], [240, 240, 235], [20, 60, 160], [20, 130, 60], [250, 200, 30], [20, 20, 20]])
    kinds = [draw.choice(6, 3, replace=False) for _ in range(12)]
    x, y = np.empty((n, SIDE, SIDE, 3), np.uint8), draw.integers(12, size=n)
    for i, kind in enumerate(y):
        cuts = np.cumsum(draw.dirichlet((12, 12, 12))) * SIDE
        stripe = np.searchsorted(cuts[:2], np.arange(SIDE) + 0.5)
        colour = hues[kinds[kind]] * draw.uniform(0.6, 1.1) + draw.normal(0, 18, (3, 3))
        lines = colour[stripe][:, None] if kind % 2 else colour[stripe][None]
        image = np.broadcast_to(lines, (SIDE, SIDE, 3)) + draw.normal(0, 10, (SIDE, SIDE, 3))
        x[i] = image.clip(0, 255)
    return x, y


def _arrows(n: int) -> tuple[np.ndarray, np.ndarray]:
    """8 directions of an arrow; place, size and both colours vary."""
    draw = np.random.default_rng(2)
    x, y = np.empty((n, SIDE, SIDE, 3), np.uint8), draw.integers(8, size=n)
    outline = np.array([(-1, -0.25), (0.1, -0.25), (0.1, -0.7), (1, 0), (0.1, 0.7), (0.1, 0.25), (-1, 0.25)])
    for i, kind in enumerate(y):
        angle = kind * np.pi / 4 + draw.normal(0, 0.1)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        place = outline @ turn * draw.uniform(0.28, 0.42) + 0.5 + draw.normal(0, 0.05, 2)
        x[i] = _filled(place, draw)
    return x, y


def _shapes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """6 outlines, turned at will, on mottled grounds of any colour."""
    draw = np.random.default_rng(3)
    x, y = np.empty((n, SIDE, SIDE, 3), np.uint8), draw.integers(6, size=n)
    for i, kind in enumerate(y):
        angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        radius = (
            np.ones(60),
            1 / np.maximum(abs(np.cos(angle)), abs(np.sin(angle))) / 1.2,
            1 / np.cos((angle + np.pi / 3) % (2 * np.pi / 3) - np.pi / 3) / 1.5,
            0.6 + 0.4 * np.cos(5 * angle),
            np.where((angle // (np.pi / 4)) % 2 == 0, 1.0, 0.45),
            1 / np.sqrt(np.cos(angle) ** 2 + (np.sin(angle) / 0.4) ** 2),
        )[kind]
        turned = angle + draw.uniform(0, 2 * np.pi)
        outline = (radius * np.array([np.cos(turned), np.sin(turned)])).T
        x[i] = _filled(outline * draw.uniform(0.25, 0.42) + 0.5 + draw.normal(0, 0.04, 2), draw, 40.0)
    return x, y


def _filled(outline: np.ndarray, draw: np.random.Generator, mottled: float = 8.0) -> np.ndarray:
    """A shape with corners in [0, 1], on a ground that is `mottled` by so many grey levels."""
    side = SIDE * _SUPER
    ground = draw.uniform(0, 255, 3) + draw.normal(0, mottled, (6, 6, 1)) + draw.normal(0, mottled / 3, (6, 6, 3))
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    colour = draw.uniform(0, 255, 3)
    while abs(colour - ground.mean((0, 1))).sum() < 150:
        colour = draw.uniform(0, 255, 3)
    ImageDraw.Draw(image).polygon([(side * a, side * b) for a, b in outline], tuple(map(int, colour)))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _cells(n: int) -> tuple[np.ndarray, np.ndarray]:
    """5 kinds of cells: small or large kernel, smooth or grained, or lobed; stain and light vary a little."""
    draw = np.random.default_rng(4)
    x, y = np.empty((n, SIDE, SIDE, 3), np.uint8), draw.integers(5, size=n)
    side = SIDE * _SUPER
    for i, kind in enumerate(y):
        light = draw.normal(0, 8, 3)
        image = Image.new("RGB", (side, side), tuple(map(int, np.array([236, 222, 228]) + light)))
        pen = ImageDraw.Draw(image)
        middle, size = side * (0.5 + draw.normal(0, 0.04, 2)), side * draw.uniform(0.32, 0.42)
        body, kernel = np.array([214, 168, 196]) + light, np.array([124, 74, 158]) + light + draw.normal(0, 6, 3)
        _disc(pen, middle, size, body)
        inner = size * (0.45 if kind in (0, 1) else 0.75)
        if kind == 4:
            for angle in draw.uniform(0, 2 * np.pi) + np.array([0, 2.1, 4.2]):
                _disc(pen, middle + 0.4 * size * np.array([np.cos(angle), np.sin(angle)]), 0.33 * size, kernel)
        else:
            _disc(pen, middle, inner, kernel)
        if kind in (1, 3):
            for _ in range(14):
                _disc(pen, middle + draw.normal(0, 0.5, 2) * inner, 0.07 * side, kernel * draw.uniform(0.5, 0.8))
        small = image.filter(ImageFilter.GaussianBlur(3)).resize((SIDE, SIDE), Image.Resampling.BOX)
        x[i] = (np.asarray(small) + draw.normal(0, 4, (SIDE, SIDE, 3))).clip(0, 255)
    return x, y


def _disc(pen: ImageDraw.ImageDraw, middle: np.ndarray, radius: float, colour: np.ndarray) -> None:
    (a, b), r = middle, radius
    pen.ellipse((a - r, b - r, a + r, b + r), fill=tuple(int(c) for c in colour.clip(0, 255)))


_DRAW: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "stripes": _stripes,
    "arrows": _arrows,
    "shapes": _shapes,
    "cells": _cells,
}
DRAWN = tuple(_DRAW)


def sheet(images: Images, path: Path, columns: int = 12) -> None:
    """A picture of some images of each class, for looking at a set."""
    assert images.labels is not None
    rows = [torch.nonzero(images.labels == c)[:columns, 0] for c in range(min(12, len(images.classes)))]
    tiles = [torch.cat(list(images.center_crops[row]), dim=2) for row in rows if len(row) == columns]
    whole = torch.cat(tiles, dim=1).permute(1, 2, 0).numpy()
    Image.fromarray(whole[..., 0] if whole.shape[2] == 1 else whole).save(path)
