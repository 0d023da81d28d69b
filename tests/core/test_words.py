"""Numbers go with their nouns: by one helper, which every message of the sources asks."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import lookalike
from lookalike.core.errors import ConfigurationError
from lookalike.core.words import agreeing, counted, plural

ROOT = Path(lookalike.__file__).parent
NOUNS = (
    "images files epochs batches classes copies labels groups runs rows channels steps processes views drawings "
    "mistakes lines hits queries neighbours seconds minutes places stores folders duplicates pairs clusters threads "
    "clusterings parameters columns sheets frames bands numbers points paths features suffixes kinds entries members "
    "blocks tensors layers weights looks snapshots chunks"
).replace(" ", "|")
BETWEEN = "more|other|training|test|labelled|learning|grey|distinct|held-out|CPU"
COUNTED = re.compile(rf"^( ({BETWEEN}))* ({NOUNS})\b(?!/s|\.csv)")


@pytest.mark.parametrize(
    ("noun", "many"),
    [
        ("image", "images"),
        ("training image", "training images"),
        ("batch", "batches"),
        ("epoch", "epochs"),
        ("class", "classes"),
        ("process", "processes"),
        ("copy", "copies"),
        ("query", "queries"),
        ("day", "days"),
        ("suffix", "suffixes"),
    ],
)
def test_a_noun_has_its_plural(noun: str, many: str):
    assert plural(noun) == many
    assert [counted(n, noun) for n in (0, 1, 2, 1797)] == [f"0 {many}", f"1 {noun}", f"2 {many}", f"1,797 {many}"]


def test_a_verb_and_a_phrase_go_with_a_number():
    assert [agreeing(n, "is", "are") for n in (0, 1, 2)] == ["are", "is", "are"]
    assert counted(1, "copy of another", "copies of others") == "1 copy of another"
    assert counted(2, "copy of another", "copies of others") == "2 copies of others"


def counted_by_hand(source: str) -> Iterator[tuple[int, str]]:
    """f-strings in which a noun follows a value at once, so that "1 images" can come of them."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            texts = isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)
            if texts and COUNTED.match(str(after.value)):
                yield node.lineno, ast.unparse(value.value) + str(after.value)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_message_counts_by_hand(path: Path):
    assert list(counted_by_hand(path.read_text(encoding="utf-8"))) == []


def test_what_counts_by_hand_is_seen():
    assert [
        line for line, _ in counted_by_hand('f"{n} images"\nf"{n:,} training images of {m}"\nf"{n} of {m} batches"')
    ] == [1, 2, 3]
    assert list(counted_by_hand('f"{counted(n, \'image\')} of {x}"\nf"{rate} images/s"\nf"{h} x {w} pixels"')) == []


def test_messages_of_one():
    from lookalike.engine import messages
    from lookalike.engine.distributed import processes_problems
    from lookalike.engine.events import TrainStart
    from lookalike.methods.grouping import grouping_problems

    options = SimpleNamespace(encoder="convnet", preset="", augment="crop", epochs=1, batch_size=1, precision="float32")
    facts = messages.Facts(options, (1, 8, 8), 1, 2, 1, False, None, "cpu", 1)
    start = TrainStart(0, 1, None, False)
    assert "1 image, 8 x 8 pixels, 1 channel; " in messages.opening(facts, start)
    assert "; 1 epoch of 1 batch of 1; " in messages.opening(facts, start)
    options.epochs = 2
    facts = replace(facts, shape=(3, 8, 8), images=2, batches=2)
    assert "2 images, 8 x 8 pixels, 3 channels; " in messages.opening(facts, start)
    assert "; 2 epochs of 2 batches of 1; " in messages.opening(facts, start)
    assert next(grouping_problems(2, 1, lambda: 1)) == "--n-clusters 2 is more than the 1 training image there is"
    comm = SimpleNamespace(size=2, local_blocks=lambda n: [])
    assert "1 image is too few for 2 processes: they divide into 1 block of 512" in list(
        processes_problems(SimpleNamespace(batch_size=2), 1, comm)
    )
    assert str(ConfigurationError(["it"])).startswith("1 mistake in")
    assert str(ConfigurationError(["it", "that"])).startswith("2 mistakes in")
