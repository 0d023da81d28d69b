"""TensorBoard's projector: features, names and pictures, as the plain files that it reads. Needs no TensorBoard.

Its viewer takes the row of a picture from the number of pictures in a column of the sheet, so that the sheet must have
as many across as down; and textures end at 8192 pixels.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from lookalike.core.made_here import mark
from lookalike.export.base import Outcome, Source
from lookalike.export.pictures import Pictures, sprite

ANY_NETWORK = True
WIDEST = 8192  # pixels of the sheet
_NAME = "features"
_COLUMNS = ("path", "split", "label", "cluster")


def export(source: Source, folder: Path) -> Outcome:
    """`tensors.tsv`, `metadata.tsv`, `sprite.png` and `projector_config.pbtxt`."""
    x_ND = source.chosen_features
    with open(folder / "tensors.tsv", "w", encoding="ascii") as file:
        file.writelines("\t".join(f"{value:.7g}" for value in row) + "\n" for row in x_ND.tolist())
    columns = {name: [_cell(text) for text in source.column(name)] for name in _COLUMNS}
    columns = {name: cells for name, cells in columns.items() if name == "path" or any(cells)}
    with open(folder / "metadata.tsv", "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        if len(columns) > 1:  # a single column has no head, by the projector's rule
            file.write("\t".join(columns) + "\n")
        file.writelines("\t".join(cells) + "\n" for cells in zip(*columns.values(), strict=True))
    pictures = Pictures(source)
    sheet, side = sprite(pictures, WIDEST)
    sheet.save(folder / "sprite.png", **mark("PNG"))
    (folder / "projector_config.pbtxt").write_text(
        "embeddings {\n"
        f'  tensor_name: "{_NAME}"\n'
        f"  tensor_shape: {len(x_ND)}\n"
        f"  tensor_shape: {x_ND.shape[1]}\n"
        '  tensor_path: "tensors.tsv"\n'
        '  metadata_path: "metadata.tsv"\n'
        "  sprite {\n"
        '    image_path: "sprite.png"\n'
        f"    single_image_dim: {side}\n"
        f"    single_image_dim: {side}\n"
        "  }\n"
        "}\n",
        encoding="utf-8",
    )
    summary = f"features of {len(x_ND):,} x {x_ND.shape[1]}, pictures of {side} pixels on a sheet of {sheet.width}"
    return Outcome(
        f"tensorboard --logdir {shlex.quote(str(source.out))}", messages=(summary, *pictures.messages, *source.fewer())
    )


def _cell(text: str) -> str:
    """Text as a cell: a tab or a line break would begin another. A blank stands for nothing in a first column."""
    return "".join(" " if c in "\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029" else c for c in text)
