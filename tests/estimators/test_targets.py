"""Labels from Python: missing ones, mixed ones and too few are said with their rows."""

from typing import Any

import numpy as np
import pytest
import torch

from lookalike.estimators.targets import checked_targets, raise_other_kind
from lookalike.inputs import InputError


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (["a", "b", "a"], "U"),
        (np.array(["a", "b", "a"], object), "O"),
        ([1, 2, 1], "i"),
        (np.array([1, 2, 1], object), "i"),
        ([True, False, True], "b"),
        (np.array([True, False, True], object), "b"),
        (torch.tensor([1, 2, 1]), "i"),
        (iter(["a", "b", "a"]), "U"),
        ((1.0, 2.0, 1.0), "f"),
    ],
)
def test_labels_of_one_kind(y: Any, kind: str):
    found = checked_targets(y, 3)
    assert found.shape == (3,) and found.dtype.kind == kind and found[0] == found[2] != found[1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", None, "b"], r"Input y contains NaN or no label: row 1 \(None\); give each image a label"),
        (["a", float("nan"), "b"], r"row 1 \(NaN\)"),
        ([1.0, np.nan, np.nan], r"rows 1, 2 \(NaN\)"),
        ([1.0, np.inf, 2.0], "Input y contains infinity in row 1"),
        (np.array([1, None, 2], object), r"row 1 \(None\)"),
        (["a", 1, "b"], r"y mixes text \(row 0\) and number \(row 1\)"),
        (np.array([1, "a", True], object), r"number \(row 0\) and text \(row 1\) and boolean \(row 2\)"),
        ([b"a", b"b", b"a"], "y holds bytes"),
        (np.array([b"a", b"b", b"a"]), "y holds bytes"),
        (["a", "b"], "y has 2 labels for 3 images"),
        ({"a": 1}, "y is a dict"),
    ],
)
def test_labels_that_cannot_be_are_said_with_their_rows(y: Any, message: str):
    with pytest.raises(InputError, match=message):
        checked_targets(y, 3)


def test_columns_of_pandas():
    pd = pytest.importorskip("pandas")
    for column in (pd.Series([1, 2, None], dtype="Int64"), pd.Series(["a", "b", pd.NA], dtype="string")):
        with pytest.raises(InputError, match="Input y contains NaN or no label: row 2"):
            checked_targets(column, 3)
    assert checked_targets(pd.Series([True, False], dtype="boolean", index=[5, 9]), 2).dtype == bool
    assert checked_targets(pd.Series(["a", "b"], dtype="category"), 2).tolist() == ["a", "b"]


def test_texts_are_not_scored_against_numbers():
    with pytest.raises(InputError, match=r"y holds texts and the classes are numbers \(0, 1\)"):
        raise_other_kind(np.array(["0", "1"]), np.array([0, 1]))
