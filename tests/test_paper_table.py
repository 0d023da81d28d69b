"""Every file, function and test that the documentation names is there, and so is every threshold it states."""

import ast
import re
from pathlib import Path

import pytest

from lookalike.engine import choose_views, collapse, evaluator
from lookalike.engine.extent import Extent
from lookalike.evaluate import health, judging, knn, linear, map, n_clusters_selection
from lookalike.methods import deepcluster
from lookalike.report import cleaning, verdict

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NAME = re.compile(r"`([\w./-]+\.py)::([\w.]+)`")
ROWS = [row for row in (DOCS / "paper.md").read_text().splitlines() if "::" in row]


def defined(path: Path) -> set[str]:
    """Names of the functions and classes of a file, methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_a_line_of_the_paper_is_implemented_and_pinned_by_what_it_says(row: str):
    named = NAME.findall(row)
    assert len(named) == 2, row
    (file, name), (test_file, test) = named
    assert name in defined(ROOT / "src" / "lookalike" / file), f"{file} has no {name}"
    assert test_file.startswith(("tests/", "src/lookalike/contract/test_")) and test.startswith("test_")
    assert test in defined(ROOT / test_file), f"{test_file} has no {test}"


def test_the_table_is_there():
    assert len(ROWS) > 40


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("verdict.md", f"the effective rank is below {judging._COLLAPSED_RANK:.0f}"),
        ("verdict.md", f"above {judging._LEARNED_LOSS} of chance level"),
        ("verdict.md", f"less than {judging._AHEAD} times as often"),
        ("verdict.md", f"the untrained network finds at least {judging._ALIKE:.0%} of".replace("%", " %")),
        ("verdict.md", f"find more than {judging._WEAK} of them"),
        ("verdict.md", f"at most {judging._MISSED} times as many"),
        ("verdict.md", f"a view finds its own image {judging._FAR_AHEAD:.0f} times as often"),
        ("verdict.md", f"keeps at least {judging._KEPT} times as many"),
        ("verdict.md", f"among its own ten nearest, of {evaluator.COMPARED} images"),
        ("verdict.md", f"fewer than {judging._FEW} |"),
        ("verdict.md", f"`--crop-min` below {judging._TINY}"),
        ("verdict.md", f"its own image {judging._RISING} times as often as half-way"),
        ("verdict.md", f"correlate by {health._COPY}"),
        ("verdict.md", f"Among up to {Extent().gallery:,} images"),
        ("verdict.md", f"*stable* from {verdict._STABLE}, *still moving* from {verdict._LOOSE}"),
        ("verdict.md", f"within {verdict._CLOSE} of pixels or of the untrained network"),
        ("verdict.md", {0.5: "If one cluster holds more than half of the images"}[collapse._HALF]),
        ("verdict.md", {3: "three clusterings in a row"}[collapse._PATIENCE]),
        ("verdict.md", f"(below {collapse._UNRELATED})"),
        ("verdict.md", f"perplexity {map.PERPLEXITY:.0f}"),
        ("verdict.md", {10: "among each other's ten nearest"}[cleaning._LOOKED_AT]),
        ("verdict.md", f"correlate by {cleaning._LIKE_PIXELS}"),
        ("how-to/evaluate.md", f"the {knn.K} learning images that are nearest"),
        ("how-to/evaluate.md", f"exp(cosine / {knn.TEMPERATURE})"),
        ("how-to/evaluate.md", {0.1: "on a tenth of the learning rows"}[linear.HELD_OUT]),
        (
            "how-to/cluster.md",
            f"between {n_clusters_selection.CANDIDATES[0]} and {n_clusters_selection.CANDIDATES[-1]}",
        ),
        ("choosing.md", f"on small copies for {choose_views.STEPS} steps"),
        ("choosing.md", f"at least {100 * choose_views._ENOUGH:.0f} % of the way nearer"),
        ("choosing.md", f"{choose_views._MOST_SECONDS:.0f} s at the most"),
        ("choosing.md", f"It needs {choose_views._FEWEST} images"),
        ("paper.md", f"N(0, {deepcluster._HEAD_STD})"),
        ("paper.md", f"whitening to {deepcluster.Options().pca}"),
    ],
)
def test_a_threshold_is_what_the_code_has(page: str, sentence: str):
    text = " ".join((DOCS / page).read_text().split())
    assert sentence in text
