"""What Python's containers hold goes in as a list does, in its order, or is refused with a sentence and a remedy."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lookalike.data.array import from_array
from lookalike.inputs import InputError, Scale, levels, one_image, plain, raise_not_finite, read


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("forms")
    names = [str(folder / f"{name}.png") for name in ("c", "a", "b")]  # not in the order of the names
    for i, name in enumerate(names):
        Image.new("RGB", (8 + i, 8), (40 * i + 10, 0, 0)).save(name)
    return names


class Column:
    """A column of a table: as pandas, polars and pyarrow have it, an array of objects on request, no list."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)  # by the labels of an index, and not by place

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = np.empty(len(self.values), object)
        found[:] = self.values
        return found


class Table(Column):
    """A table of several columns."""

    columns = ("path", "kind")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, object)


FORMS: dict[str, Callable[[list[str]], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda p: (name for name in p),
    "map": lambda p: map(Path, p),
    "values of a dict": lambda p: dict(enumerate(p)).values(),
    "keys of a dict": lambda p: dict.fromkeys(p).keys(),
    "pathlib": lambda p: [Path(name) for name in p],
    "bytes": lambda p: [name.encode() for name in p],
    "array of texts": np.array,
    "array of bytes": lambda p: np.array([name.encode() for name in p]),
    "array of objects": lambda p: np.array(p, object),
    "array of Path objects": lambda p: np.array([Path(name) for name in p], object),
    "StringDType": lambda p: np.array(p, np.dtypes.StringDType()),
    "column of an array": lambda p: np.array(p, object)[:, None],
    "column": Column,
    "column of Path objects": lambda p: Column([Path(name) for name in p]),
    "table of one column": lambda p: Table([[name] for name in p]),
    "pictures": lambda p: [Image.open(name) for name in p],
    "array of pictures": lambda p: Column([np.asarray(Image.open(name)) for name in p]),
    "tensors": lambda p: [torch.from_numpy(np.array(Image.open(name))).permute(2, 0, 1) for name in p],
    "data set": lambda p: [(Image.open(name), 1) for name in p],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_images_in_the_same_order(paths: list[str], form: str):
    want = read(paths, 8)
    images = read(FORMS[form](paths), 8)
    assert torch.equal(images.center_crops[:], want.center_crops[:])


def test_pandas_and_its_relatives(paths: list[str]):
    pd = pytest.importorskip("pandas")  # columns of the same kind are tested above without it
    want = read(paths, 8).center_crops[:]
    index = [7, 3, 5]
    forms = [
        pd.Series(paths, index=index),
        pd.Series(paths, dtype=object),
        pd.Series(paths, dtype="string"),
        pd.Series(paths, dtype="category"),
        pd.Series([Path(p) for p in paths]),
        pd.Index(paths),
        pd.DataFrame({"path": paths}, index=index),
        pd.DataFrame({"path": paths, "kind": [1, 2, 3]})["path"],
    ]
    for form in forms:
        assert torch.equal(read(form, 8).center_crops[:], want)
    with pytest.raises(InputError, match=r"a table of 2 columns \(n, path\) .*X\['path'\]"):
        read(pd.DataFrame({"n": [1, 2, 3], "path": paths}))
    for missing in (None, float("nan"), pd.NA):
        with pytest.raises(InputError, match="no image in row 1"):
            read(pd.Series([paths[0], missing, paths[2]], index=index))


def test_numbers_in_containers_are_arrays():
    x = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    for form in (x, torch.from_numpy(x), Column(list(x)), list(x), x.tolist(), x.astype(object)):
        assert torch.equal(read(form).center_crops[:], read(x).center_crops[:])
    assert plain(x) is x and isinstance(plain(b"a/b.png"), str)
    assert not one_image(plain(Table([["a.png"], ["b.png"]])))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ({"image": ["a.png"]}, r"a dict \(keys 'image'\) is not taken as images: give one of its values, X\['image'\]"),
        ({"a.png", "b.png"}, "a set is not taken as images, as it has no order"),
        (io.BytesIO(b"x"), "an open file .* give its path"),
        ([{"image": 1, "label": 2}], r"items are dicts with the keys 'image', 'label': .*item\['image'\]"),
        ([b"\x89PNG\0"], "item 0 is the content of a file"),
        (torch.utils.data.DataLoader([1, 2]), r"gives batches: give its data set, X\.dataset"),
        (np.ma.masked_array([[[1, 2]]], mask=[[[0, 1]]]), "masked array are missing"),
        (np.array([["a", "b"], ["c", "d"]]), "2 columns of text"),
        (["a.png", None, "c.png"], r"no image in row 1 \(None\)"),
        (object(), "object is not taken as images: give a folder"),
        (np.zeros((2, 2, 2), complex), "must be numbers"),
    ],
)
def test_what_is_no_list_of_images_is_refused_with_a_remedy(X: Any, message: str):
    with pytest.raises(InputError, match=message):
        read(X)


# -- ranges of numbers ------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
UNIT = RNG.random((9, 12, 12)) * 0.98 + 0.01
SIGNED = 2 * UNIT - 1
BYTES = np.rint(255 * UNIT)
KINDS = {
    "unit": UNIT,
    "signed": SIGNED,
    "bytes": BYTES,
    "deep": np.rint(65535 * UNIT),
    "imagenet": (UNIT - 0.45) / 0.22,
}

WITHIN = {("imagenet", "signed")}
"""Fitted and given: what lies within a range that was found, where nothing tells it from the same kind."""


@pytest.mark.parametrize("given", KINDS)
@pytest.mark.parametrize("fitted", KINDS)
def test_another_range_than_fitted_raises_and_the_same_does_not(fitted: str, given: str):
    scale = Scale.from_array(KINDS[fitted])
    assert scale is not None
    if given == fitted or (fitted, given) in WITHIN:
        result = levels(KINDS[given], scale)
        assert np.array_equal(result[3:4], levels(KINDS[given][3:4], scale))
    else:
        with pytest.raises(InputError, match="are of another range than those that were fitted"):
            levels(KINDS[given], scale)


def test_the_remedy_is_the_one_that_helps():
    unit, deep = Scale.from_array(UNIT), Scale.from_array(BYTES)
    for numbers in (BYTES, BYTES.astype(np.int64), BYTES.astype(np.float32)):
        with pytest.raises(InputError, match="divide them by 255, or give uint8"):
            levels(numbers, unit)
    assert np.array_equal(levels(BYTES.astype(np.uint8), unit), BYTES.astype(np.uint8))
    with pytest.raises(InputError, match="multiply them by 255"):
        levels(UNIT, deep)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\] here"):
        levels(BYTES, None)
    with pytest.raises(InputError, match="another range"):
        levels(UNIT > 0.5, deep)
    dark = np.zeros((1, 12, 12))
    dark[0, 3, 3] = 200
    with pytest.raises(InputError, match="another range"):
        levels(dark, unit)  # a single pixel tells


def test_what_lies_a_little_beyond_is_cut_off():
    over = UNIT.copy()
    over[:, :2] = 1.08  # as sharpening does
    over[:, 2:4] = -0.05
    result = levels(over, Scale(0.0, 1.0))
    assert (result[:, :2] == 255).all() and (result[:, 2:4] == 0).all()
    outlier = UNIT.copy()
    outlier[0, 0, 0] = 40.5
    assert levels(outlier, Scale(0.0, 1.0))[0, 0, 0] == 255
    rows = RNG.normal(size=(200, 5))
    assert levels(np.full((1, 5), 4.5), Scale.from_array(rows)).max() == 255  # a row of a table is no image
    bright = np.full((1, 12, 12), 0.75)
    assert levels(bright, Scale(-1.0, 1.0)).min() > 200  # one bright image is one


def test_rows_that_are_not_finite_are_named():
    x = UNIT.copy()
    x[2, 0, 0], x[5, 1, 1] = np.nan, np.inf
    with pytest.raises(InputError, match="images hold NaN or infinity: image 2 and 1 more"):
        read(x)
    with pytest.raises(InputError, match="images hold NaN or infinity: image 5"):
        read([*UNIT[:5], x[5]])
    with pytest.raises(InputError, match="rows hold NaN or infinity: row 2 and 1 more"):
        raise_not_finite(x.reshape(9, -1), "row")


def test_an_array_that_may_not_be_written_to_is_read_without_a_word() -> None:
    pixels = np.zeros((1, 8, 8), np.uint8)  # as np.asarray(Image.open(FILE)) is; warnings are errors here
    pixels.flags.writeable = False
    assert len(from_array(pixels)) == 1
