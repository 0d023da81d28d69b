"""Brace patterns stand for what bash and WebDataset make of them."""

import pytest

from lookalike.core.braces import expanded
from lookalike.core.errors import LookalikeError


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("shard-{000..003}.tar", ["shard-000.tar", "shard-001.tar", "shard-002.tar", "shard-003.tar"]),
        ("{9..11}", ["9", "10", "11"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{-01..1}", ["-01", "000", "001"]),
        ("{8..0..3}", ["8", "5", "2"]),
        ("{c..a}", ["c", "b", "a"]),
        ("{train,val}/{0..1}.tar", ["train/0.tar", "train/1.tar", "val/0.tar", "val/1.tar"]),
        ("{a,b{1..2}}/{x,}y", ["a/xy", "a/y", "b1/xy", "b1/y", "b2/xy", "b2/y"]),
        ("{x}{a,b}", ["{x}a", "{x}b"]),
        ("{{a,b}", ["{a", "{b"]),
        ("plain", ["plain"]),
        ("{}", ["{}"]),
        ("a}b{c", ["a}b{c"]),
        ("{1..a}", ["{1..a}"]),
    ],
)
def test_patterns(pattern: str, names: list[str]):
    assert expanded(pattern) == names


@pytest.mark.parametrize("pattern", ["{0..999999999}", "{0..999}{0..999}", "{0..99}{0..99}{0..99}"])
def test_what_stands_for_too_much_is_refused(pattern: str):
    with pytest.raises(LookalikeError, match="stands for more than 100,000 names"):
        expanded(pattern)
