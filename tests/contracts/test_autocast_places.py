"""Autocast is switched on in one place of the package."""

import ast
from pathlib import Path

import lookalike

SOURCE = Path(lookalike.__file__).parent
MAY = {"core/arithmetic.py", "engine/feature_extractor.py", "objectives/nt_xent.py"}
"""The first and the last switch it off; `FeatureExtractor.compute` puts networks under it."""


def test_autocast_is_touched_where_it_is_explained_alone():
    found = set()
    for file in SOURCE.rglob("*.py"):
        tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if any("autocast" in (getattr(node, "attr", ""), getattr(node, "id", "")) for node in tree):
            found.add(file.relative_to(SOURCE).as_posix())
    assert found == MAY
