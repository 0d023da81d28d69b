"""Pins what is counted of a collection and how it is told; and the share of bad images above which a run stops."""

import json

import numpy as np
import pytest

from lookalike.core.errors import LookalikeError
from lookalike.data.image_index import ImageIndex, ImageRef
from lookalike.data.quality import Examined, digest, examine, quality_of, too_many_bad


def entry(name: str, value) -> ImageRef:
    def opened():
        if isinstance(value, Exception):
            raise value
        return value

    return ImageRef(name, (name,), opened)


def image_index(images: dict, **values) -> ImageIndex:
    return ImageIndex(tuple(entry(name, x) for name, x in images.items()), "mine", **values)


def quality(images: dict, **values):
    found = image_index(images, **values)
    return quality_of(found, [examine(e, 64)[1] for e in found.entries])


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape or (20, 20), dtype=np.uint8)


def test_examined():
    pixels, found = examine(entry("a", noise(0, 30, 20)), 15)
    assert pixels.shape == (15, 10, 1)
    assert found.name == "a" and found.reason is None and found.digest == digest(pixels)
    assert (found.header.width, found.header.height) == (20, 30)
    assert found.spread == pytest.approx(pixels.std())


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError(), RecursionError("deep"), SyntaxError("broken PNG")])
def test_nothing_is_raised(error):
    pixels, found = examine(entry("a", error), 15)
    assert pixels is None and found.reason and found.digest is None
    assert "\n" not in found.reason


def test_a_digest_tells_shapes_apart():
    x = np.arange(12, dtype=np.uint8)
    assert digest(x.reshape(3, 4, 1)) != digest(x.reshape(4, 3, 1))
    assert digest(x.reshape(3, 4, 1)) == digest(np.asfortranarray(x.reshape(3, 4, 1)))
    assert len(digest(x.reshape(3, 4, 1))) == 16


def test_counts():
    found = quality(
        {
            "a.png": noise(0),
            "b.png": noise(1),
            "copy of a.png": noise(0),
            "flat.png": np.full((20, 20), 99, np.uint8) + (noise(2) > 200),
            "wide.png": noise(3, 5, 100),
            "broken.png": ValueError("cut"),
        },
        refused=(("pipe.png", "a pipe, no file"),),
        notes=("something odd",),
    )
    assert (found.listed, found.good, found.bad) == (7, 5, 2)
    assert dict(found.unreadable) == {"a pipe, no file": ("pipe.png",), "cut (ValueError)": ("broken.png",)}
    assert found.duplicates == (("a.png", "copy of a.png"),)
    assert found.flat == ("flat.png",)
    assert found.smallest == ("a.png", 20, 20) and found.largest == ("wide.png", 100, 5)
    assert found.thinnest == ("wide.png", 100, 5) and found.common_size == (20, 20, 4) and found.sizes == 2
    text = "\n".join(found.lines())
    for part in (
        "5 images can be used, 2 cannot",
        "1 image is a copy of another, pixel by pixel ('a.png', 'copy of a.png')",
        "1 image is nearly of one value ('flat.png')",
        "most common is 20 x 20 (4 images)",
        "the thinnest image is 100 x 5 pixels ('wide.png')",
        "all are grey",
        "note: something odd",
    ):
        assert part in text
    assert json.loads(json.dumps(found.to_json()))["bad"] == 2


def test_classes_and_splits():
    images = {str(i): noise(i) for i in range(24)}
    labels = tuple(["cat"] * 20 + ["dog"] * 2 + ["owl", None])
    found = quality(images, labels=labels, split=tuple(["train"] * 20 + ["test"] * 4))
    assert found.classes == (("cat", 20), ("dog", 2), ("owl", 1)) and found.unlabelled == 1
    text = "\n".join(found.lines())
    assert "3 classes, from 1 image ('owl') to 20 ('cat'): uneven" in text
    assert "1 class has a single image ('owl')" in text and "1 image has no label" in text
    assert "20 in train, 4 in test" in text


def test_what_cannot_be_read_is_in_no_class():
    found = quality({"a": noise(0), "b": ValueError("x"), "c": noise(1)}, labels=("k", "l", "m"))
    assert found.classes == (("k", 1), ("m", 1))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(8, 8), (8, 8, 3)], "1 is grey and 1 in colour: grey ones are used as colour"),
        ([(8, 8, 5), (8, 8, 3)], "numbers of channels differ"),
        ([(8, 8, 5)], "it has 5 channels"),
        ([(8, 8, 5)] * 2, "all have 5 channels"),
        ([(8, 8)], "it is grey"),
        ([(8, 9)], "it is 9 x 8 pixels"),
    ],
)
def test_channels(shapes, words):
    assert any(words in line for line in quality({str(i): noise(i, *s) for i, s in enumerate(shapes)}).lines())


def test_depth_is_told():
    lines = quality({"a": noise(0).astype(np.uint16) * 9}).lines()
    assert any("more than 8 bits are stretched to 8" in line for line in lines)


def test_names_that_are_not_utf8_can_be_printed():
    name = "caf\udce9\n.png"
    for line in quality(
        {name: noise(0, 4, 90), "b": noise(1), name + "b": noise(1), "x" + name: ValueError("x")}
    ).lines():
        line.encode()
        assert "\n" not in line


def test_an_empty_listing():
    assert quality({}).lines() == ["0 images can be used"]


@pytest.mark.parametrize(("bad", "stops"), [(0, False), (2, False), (3, True), (10, True)])
def test_the_share_that_stops_a_run(bad, stops):
    examined = [Examined(str(i), None, "cut short" if i < bad else None, None, 50.0) for i in range(10)]
    found = quality_of(image_index({str(i): noise(i) for i in range(10)}), examined)
    if not stops:
        too_many_bad(found)
        return
    remedy = "None is left" if bad == 10 else "To go on with the other 7: --skip-bad"
    with pytest.raises(
        LookalikeError, match=rf"{bad} of 10 images in mine cannot be read: cut short \('0', .*{remedy}"
    ):
        too_many_bad(found)
