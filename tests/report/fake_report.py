"""Made-up data objects of the page (docs/page.md): any number of images and runs, any part missing.

The images are drawn shapes, so that neighbours and clusters can be judged by eye; the positions are made up such
that a network finds the shapes in the course of training, while pixels and the untrained network find colours.
"""

from __future__ import annotations

import base64
import io
import itertools
import math
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "stripe", "crescent")
K = 20
HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    "</script>.jpg",
    '"quoted", and a comma.png',
    "naïve 数字 🐟.png",
    "\udcff.png",
)
_SHEET_ROWS = 64


def fake_report(
    n: int = 300,
    *,
    runs: int = 1,
    networks: int = 7,
    k: int = 8,
    side: int = 32,
    mapped: int | None = None,
    neighbours: bool = True,
    missing: tuple[str, ...] = (),
    labels: bool = True,
    hostile: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """A data object.

    Args:
        n: images of the page.
        runs: runs on them.
        networks: snapshots of the network, besides those of pixels and of the untrained network.
        k: clusters.
        side: of a thumbnail, in pixels.
        mapped: images on the map, at most 5,000 unless given.
        neighbours: whether neighbours are recorded (their search takes time with many images).
        missing: names of parts that are null: verdict, map, neighbours, clusters, duplicates, outliers, curves,
            evaluation, views, card.
        labels: whether images have labels.
        hostile: whether some names contain markup, quotes and bytes that are no UTF-8.
        seed: of everything.
    """
    draw = np.random.default_rng(seed)
    kind, hue = draw.integers(len(SHAPES), size=n), draw.random(n)
    extension = np.where(draw.random(n) < 0.7, "jpg", "png")
    paths = [f"{SHAPES[kind[i]]}s/IMG_{i:05d}.{extension[i]}" for i in range(n)]
    if hostile:
        paths[: len(HOSTILE)] = HOSTILE[:n]
    mapped = min(n, 5000) if mapped is None else min(n, mapped)
    rows = np.sort(draw.choice(n, mapped, replace=False)).astype(np.uint32)
    return {
        "format": 1,
        "title": "Shapes" if not hostile else "<b>Shapes</b></title><script>alert(1)</script>",
        "written": "2026-11-23T10:00:00+0000",
        "version": "0.1.0",
        "missing": [f"There is no part {name} here, as this object was made without it." for name in missing],
        "images": {
            "paths": paths,
            "label": [int(c) for c in kind] if labels else [-1] * n,
            "labels": list(SHAPES) if labels else [],
            "split": [("train", "test")[int(v < 0.2)] for v in draw.random(n)],
            "columns": {"hue": [f"{v:.4f}" for v in hue], "format": list(extension)},
            "sheets": sheets(kind, hue, side, draw),
        },
        "runs": [
            _run(
                r,
                runs,
                kind,
                hue,
                rows,
                networks,
                k,
                neighbours,
                missing,
                labels,
                paths,
                np.random.default_rng([seed, r]),
            )
            for r in range(runs)
        ],
    }


def packed(array: np.ndarray) -> dict[str, Any]:
    """An array as the page reads it."""
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "base64": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }


def sheets(
    kind: np.ndarray, hue: np.ndarray, side: int, draw: np.random.Generator, columns: int = 64
) -> list[dict[str, Any]]:
    """Sprite sheets of all images as data URIs."""
    n = len(kind)
    drawn = [[_picture(shape, tone, 4, side) for tone in range(24)] for shape in range(len(SHAPES))]
    made = []
    for first in range(0, n, columns * _SHEET_ROWS):
        count = min(columns * _SHEET_ROWS, n - first)
        sheet = Image.new("RGB", (columns * side, -(-count // columns) * side), (255, 255, 255))
        for j in range(count):
            picture = drawn[kind[first + j]][int(hue[first + j] * 24)]
            turned = picture.rotate(float(draw.integers(-40, 40)), fillcolor=picture.getpixel((0, 0)))
            sheet.paste(turned, (j % columns * side, j // columns * side))
        made.append({"src": _uri(sheet, "JPEG"), "side": side, "columns": columns, "first": first, "count": count})
    return made


def _uri(image: Image.Image, form: str) -> str:
    file = io.BytesIO()
    image.save(file, form, quality=80)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


@cache
def _picture(shape: int, tone: int, finer: int, side: int) -> Image.Image:
    """One shape, drawn `finer` times as large and brought down."""
    size, colour = side * finer, f"hsl({tone * 15}, 65%, 45%)"
    image = Image.new("RGB", (size, size), f"hsl({tone * 15 + 30}, 30%, 88%)")
    pen, a, b, m = ImageDraw.Draw(image), size * 0.2, size * 0.8, size / 2
    if shape == 0:
        pen.ellipse((a, a, b, b), fill=colour)
    elif shape == 1:
        pen.rectangle((a, a, b, b), fill=colour)
    elif shape == 2:
        pen.polygon([(m, a), (b, b), (a, b)], fill=colour)
    elif shape == 3:
        turns = [
            (
                m + (0.36, 0.15)[i % 2] * size * math.sin(i * math.pi / 5),
                m - (0.36, 0.15)[i % 2] * size * math.cos(i * math.pi / 5),
            )
            for i in range(10)
        ]
        pen.polygon(turns, fill=colour)
    elif shape == 4:
        pen.ellipse((a, a, b, b), outline=colour, width=size // 9)
    elif shape == 5:
        pen.rectangle((m - size / 11, a, m + size / 11, b), fill=colour)
        pen.rectangle((a, m - size / 11, b, m + size / 11), fill=colour)
    elif shape == 6:
        for i in range(3):
            pen.rectangle((a, a + i * size * 0.23, b, a + i * size * 0.23 + size * 0.12), fill=colour)
    else:
        pen.ellipse((a, a, b, b), fill=colour)
        pen.ellipse((a + size * 0.2, a - size * 0.06, b + size * 0.2, b - size * 0.06), fill=image.getpixel((0, 0)))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _run(
    r: int,
    runs: int,
    kind: np.ndarray,
    hue: np.ndarray,
    rows: np.ndarray,
    networks: int,
    k: int,
    neighbours: bool,
    missing: tuple[str, ...],
    labels: bool,
    paths: list[str],
    draw: np.random.Generator,
) -> dict[str, Any]:
    n, epochs = len(kind), [10 * (s + 1) for s in range(networks)]
    name = "shapes" if runs == 1 else ("simclr-128", "simclr-2048", "deepcluster", "untrained")[r % 4]
    snapshots = [
        {"kind": "pixels", "epoch": 0, "step": 0, "name": "pixels"},
        {"kind": "untrained", "epoch": 0, "step": 0, "name": "untrained"},
        *({"kind": "network", "epoch": e, "step": 7 * e, "name": f"epoch {e}"} for e in epochs),
    ]
    frames = _frames(kind[rows], hue[rows], networks, r, draw)
    near = [_nearest(frame, rows) for frame in frames] if neighbours else []
    of = np.where(draw.random(n) < 0.9, kind % k, draw.integers(k, size=n)).astype(np.int32)
    run = {
        "name": name,
        "method": "simclr" if "deep" not in name else "deepcluster",
        "verdict": _verdict(n, r, labels),
        "snapshots": snapshots,
        "map": {"rows": packed(rows), "frames": [packed(frame) for frame in frames]},
        "neighbours": {
            "rows": packed(rows),
            "k": near[0].shape[1],
            "frames": [packed(frame) for frame in near],
            "rate": [float((kind[frame] == kind[rows, None]).mean()) for frame in near]
            if labels and len(rows) > 1
            else None,
            "chance": 1 / len(SHAPES) if labels else None,
        }
        if near
        else None,
        "clusters": _clusters(of, kind, k, labels, epochs, draw),
        "duplicates": {
            "exact": [[1, 2]] if n > 2 else [],
            "near": [[int(i), int(i) + 1, int(i) + 2] for i in range(3, min(n - 3, 40), 5)],
        },
        "outliers": [
            {"image": int(i), "score": round(1 - 0.02 * j, 3)} for j, i in enumerate(draw.permutation(n)[:30])
        ],
        "skipped": [
            {"path": "broken.jpg", "reason": "cannot be decoded: image file is truncated"},
            {"path": paths[0], "reason": "empty file"},
        ],
        "curves": _curves(epochs, labels, k, draw),
        "evaluation": {
            "knn": 0.93 - 0.05 * r,
            "linear": 0.96 - 0.05 * r,
            "random.knn": 0.55,
            "random.linear": 0.62,
            "pixels.knn": 0.48,
            "pixels.linear": 0.51,
            "cluster.accuracy": 0.88,
            "cluster.nmi": 0.84,
            "cluster.ari": 0.8,
            "pixels.cluster.accuracy": 0.31,
            "protocol": {"k": 200, "temperature": 0.1},
        }
        if labels
        else None,
        "views": sheets(np.repeat(kind[:32], 2), np.repeat(hue[:32], 2) * 0.5, 48, draw, 16)[0]["src"],
        "card": {
            "command": f"lookalike train simclr shapes --out runs/{name}",
            "config": {"batch_size": 128 << (4 * r), "lr": 0.5, "temperature": 0.2, "encoder": "convnet", "epochs": 70},
            "versions": {"lookalike": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
            "machine": {"processor": "AMD EPYC", "cores": 2, "gpu": None},
            "seed": 0,
            "fingerprint": "9f73817dd655002f0deaf38aac62efec",
            "images": n,
            "started": "2026-11-23T09:23:41+0000",
            "seconds": {"load": 0.4, "train": 71.67, "evaluate": 3.1},
            "commands": [
                {"what": "Go on with this run", "line": f"lookalike train --config runs/{name}/config.toml"},
                {"what": "Features of other images", "line": f"lookalike embed runs/{name} OTHER"},
                {"what": "Find what looks like an image", "line": f"lookalike search runs/{name} IMAGE"},
            ],
        },
    }
    for part in missing:
        run[part] = {"epoch": [], "look": [], "clustering": []} if part == "curves" else None
    if "curves" in missing or "map" in missing:
        run["snapshots"] = snapshots if neighbours and "neighbours" not in missing else []
    return run


def _frames(kind: np.ndarray, hue: np.ndarray, networks: int, r: int, draw: np.random.Generator) -> list[np.ndarray]:
    """Positions [n, 2] in [0, 1] of each snapshot: from colours to shapes."""
    n, angle = len(kind), 2 * np.pi * (kind + 0.3 * r) / len(SHAPES)
    noise, spread = draw.normal(size=(n, 2)), draw.normal(size=(n, 2))
    by_hue = np.stack([np.cos(2 * np.pi * hue), np.sin(2 * np.pi * hue)], 1) * 0.28 + noise * 0.05
    loose = 0.6 * by_hue + spread * 0.09
    shift = 0.34 + 0.04 * np.sin(5 * hue)
    tight = np.stack([np.cos(angle) * shift, np.sin(angle) * shift], 1)
    tight += noise * (0.022 + 0.05 * r) + 0.03 * (hue[:, None] - 0.5)
    ways = [by_hue, loose, *(loose + (tight - loose) * ((s + 1) / networks) ** 0.7 for s in range(networks))]
    return [np.clip(way * 1.05 + 0.5, 0, 1).astype(np.float32) for way in ways]


def _nearest(xy: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The closest images of each (image numbers), by distance on the map."""
    k, found = min(K, len(xy) - 1), []
    for part in np.array_split(xy, max(1, len(xy) // 500)):
        distance = ((part[:, None] - xy[None]) ** 2).sum(2)
        candidates = np.argpartition(distance, k, axis=1)[:, : k + 1]
        order = np.argsort(np.take_along_axis(distance, candidates, 1), axis=1)
        found.append(np.take_along_axis(candidates, order, 1)[:, 1:])
    return rows[np.concatenate(found)].astype(np.uint32)


def _verdict(n: int, r: int, labels: bool) -> dict[str, Any]:
    figures = [
        {"name": "own image found", "what": "how often a new view of an image is nearest to that very image",
         "value": 0.62 - 0.2 * r, "chance": 1 / n, "pixels": 0.09, "untrained": 0.02, "percent": True},
        {"name": "effective rank", "what": "directions that the features use, of 128",
         "value": 59.5 - 11 * r, "chance": None, "pixels": 36.2, "untrained": 103.3, "percent": False},
    ]  # fmt: skip
    if labels:
        knn = {"value": 0.93 - 0.05 * r, "chance": 0.125, "pixels": 0.48, "untrained": 0.55, "percent": True}
        figures.insert(1, {"name": "kNN accuracy", "what": "labels guessed from the nearest images", **knn})
    return {
        "sentences": [
            "It is learning: a new view finds its own image in 62 % of cases, raw pixels in 9 %, by chance 0.3 %.",
            f"SimCLR was trained on {n:,} images of shapes for 70 epochs, which took 1 minute 12 seconds.",
            "The clusters are stable: between the last two clusterings 96 % of the images stayed together.",
            "What to try next: more epochs, as the share was still rising at the end.",
        ],
        "figures": figures,
    }


def _clusters(
    of: np.ndarray, kind: np.ndarray, k: int, labels: bool, epochs: list[int], draw: np.random.Generator
) -> dict[str, Any]:
    groups = []
    for c in range(k):
        members = np.flatnonzero(of == c)
        found = np.bincount(kind[members], minlength=len(SHAPES)) if len(members) else np.zeros(1)
        groups.append(
            {
                "size": len(members),
                "purity": float(found.max() / len(members)) if labels and len(members) else None,
                "label": SHAPES[int(found.argmax())] if labels and len(members) else None,
                "typical": members[:16].tolist(),
                "border": members[-8:].tolist(),
            }
        )
    flow = []
    for step, (before, after) in enumerate(itertools.pairwise(epochs)):
        counts: dict[tuple[int, int], int] = {}
        moved = np.where(draw.random(len(of)) < 0.45 / (step + 1), draw.integers(k, size=len(of)), of)
        for pair in zip(of.tolist(), moved.tolist(), strict=True):
            counts[pair] = counts.get(pair, 0) + 1
        flow.append({"from_epoch": before, "to_epoch": after, "counts": [[a, b, c] for (a, b), c in counts.items()]})
    return {"k": k, "way": "kmeans", "of": packed(of), "groups": groups, "flow": flow}


def _curves(epochs: list[int], labels: bool, k: int, draw: np.random.Generator) -> dict[str, Any]:
    last = epochs[-1] if epochs else 1
    epoch = [
        {"epoch": e, "loss": 5.5 - 2.2 * (1 - math.exp(-e / 15)) + 0.02 * float(draw.normal()), "chance_loss": 5.541,
         "lr": 0.5 * min(1, e / 7) * (0.5 + 0.5 * math.cos(math.pi * e / last)),
         "images_per_s": 6100 + 90 * float(draw.normal())}
        for e in range(1, last + 1)
    ]  # fmt: skip
    beside = (("pixels", 0.09, 36.2, 0.48), ("untrained", 0.02, 103.3, 0.55))
    look = [
        {
            "epoch": 0,
            "of": of,
            "retrieval": a,
            "effective_rank": b,
            "positive_cosine": 0.3,
            "knn": c if labels else None,
        }
        for of, a, b, c in beside
    ]
    look += [
        {"epoch": e, "of": "network", "retrieval": 0.62 * (1 - math.exp(-e / 25)), "effective_rank": 40 + 0.3 * e,
         "positive_cosine": 0.7 + 0.002 * e, "knn": 0.93 - 0.4 * math.exp(-e / 20) if labels else None}
        for e in epochs
    ]  # fmt: skip
    clustering = [
        {"epoch": e, "head": head, "nmi_previous": None if e == 1 else 0.9 - 0.5 / e, "empty": 0, "clusters": k,
         "nmi_labels": 0.8 - 0.4 / e if labels else None}
        for e in range(1, last + 1, 5) for head in range(2)
    ]  # fmt: skip
    return {"epoch": epoch, "look": look, "clustering": clustering}
