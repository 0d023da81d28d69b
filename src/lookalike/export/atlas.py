"""A parquet table for embedding-atlas: a map, nearest images and pictures, all made here."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from lookalike.core.machine import cores
from lookalike.core.optional import need
from lookalike.core.words import counted
from lookalike.evaluate.map import NEIGHBOURS, Neighbours, aligned_maps
from lookalike.export.base import Outcome, Source
from lookalike.export.pictures import Pictures, encoded
from lookalike.neighbors.numpy_backend import nearest_rows
from lookalike.report.packing import unpacked
from lookalike.report.timeline import SHOWN, timeline

ANY_NETWORK = True
FILE = "atlas.parquet"
_ROW_GROUP = 4096  # rows written at once


def export(source: Source, folder: Path) -> Outcome:
    """`atlas.parquet`: path, split, label, cluster, projection_x, projection_y, neighbors, image.

    `neighbors` holds `ids`, numbers of rows of this table, and `distances`, 1 - cosine, the nearest first; `image`
    holds the `bytes` of a JPEG file and its `path`.
    """
    arrow = need("pyarrow", "arrow", "--to atlas")
    parquet = need("pyarrow.parquet", "arrow", "--to atlas")
    x_ND = source.chosen_features
    near = nearest_rows(x_ND, NEIGHBOURS)
    map_N2, made = _layout(source, near)
    pictures = Pictures(source)
    texts = {name: [text or None for text in source.column(name)] for name in ("path", "split", "label", "cluster")}
    k = min(SHOWN, near[0].shape[1])
    schema = arrow.schema(
        [
            *((name, arrow.string()) for name in texts),
            ("projection_x", arrow.float32()),
            ("projection_y", arrow.float32()),
            (
                "neighbors",
                arrow.struct([("ids", arrow.list_(arrow.int64())), ("distances", arrow.list_(arrow.float32()))]),
            ),
            ("image", arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])),
        ]
    )
    picture_iterator = iter(pictures)
    with parquet.ParquetWriter(folder / FILE, schema, compression="zstd") as file:
        for start in range(0, len(x_ND), _ROW_GROUP):
            rows = range(start, min(start + _ROW_GROUP, len(x_ND)))
            jpegs = [encoded(next(picture_iterator)) for _ in rows]
            columns = {
                **{name: cells[rows.start : rows.stop] for name, cells in texts.items()},
                "projection_x": map_N2[rows.start : rows.stop, 0],
                "projection_y": map_N2[rows.start : rows.stop, 1],
                "neighbors": [
                    {"ids": near[0][i, :k].tolist(), "distances": (1 - near[1][i, :k]).clip(0, 2).tolist()}
                    for i in rows
                ],
                "image": [
                    None if jpeg is None else {"bytes": jpeg, "path": texts["path"][i]}
                    for i, jpeg in zip(rows, jpegs, strict=True)
                ],
            }
            file.write_table(arrow.table(columns, schema=schema))
    place = shlex.quote(str(source.out / FILE))
    command = f"embedding-atlas {place} --x projection_x --y projection_y --neighbors neighbors --image image"
    summary = f"{counted(len(x_ND), 'image')}, the {k} nearest of each, {made}"
    return Outcome(command, messages=(summary, *pictures.messages, *source.fewer()))


def _layout(source: Source, near: Neighbours) -> tuple[np.ndarray, str]:
    """Two coordinates of each image (float32 [N, 2] in [0, 1]), and where they come from."""
    run, threads = source.reader, source.threads or cores()
    if (run.path / "snapshots" / "map.npz").is_file() and np.array_equal(run.subset, source.rows):
        moments = timeline(run, source.rows)
        page_map = moments.map(threads)
        if page_map is not None and moments.frames[-1].kind == "network":
            return unpacked(page_map["frames"][-1]), "the map of the run's page"
    seed = int(run.config.get("seed", 0))
    return aligned_maps([source.chosen_features], neighbours=[near], seed=seed, threads=threads)[0], "a map by t-SNE"
