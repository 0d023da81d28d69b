"""Pins that a folder of horrors gives what is good in it, and for the rest a reason each; nothing in it is changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from horrors import make_horrid_tar, make_horrid_zip, make_horrors
from lookalike.core.errors import LookalikeError
from lookalike.data import archive, folder
from lookalike.data.quality import Quality, examine, quality_of, too_many_bad


def reasons(image_index) -> dict[str, str | None]:
    """Name and reason of everything found; None where it can be decoded."""
    found = dict(image_index.refused)
    for entry in image_index.entries:
        pixels, examined = examine(entry, 64)
        assert (pixels is None) == (examined.reason is not None)
        assert pixels is None or (pixels.dtype == np.uint8 and max(pixels.shape[:2]) <= 64)
        found[entry.name] = examined.reason
    return found


def compare(found: dict[str, str | None], said: dict[str, str | None]) -> None:
    assert set(found) == set(said)
    for name, fragment in said.items():
        if fragment is None:
            assert found[name] is None, name
        else:
            assert found[name] is not None and fragment in found[name], (name, found[name])


def state(place):
    """Size and time of change of everything below a folder; links are not followed."""
    found = {}
    for root, folders, names in os.walk(place):
        for name in folders + names:
            status = Path(root, name).lstat()
            found[root, name] = (status.st_mtime_ns, status.st_size)
    return found


def test_the_folder_of_horrors(tmp_path):
    said = make_horrors(tmp_path / "horrors")
    before = state(tmp_path)
    image_index = folder.image_index(tmp_path / "horrors")
    compare(reasons(image_index), said)
    assert any("here/loop/" in note for note in image_index.notes)
    assert state(tmp_path) == before


def test_health_of_the_folder_of_horrors(tmp_path):
    said = make_horrors(tmp_path / "horrors")
    image_index = folder.image_index(tmp_path / "horrors")
    quality = quality_of(image_index, [examine(entry, 64)[1] for entry in image_index.entries])
    good = sum(reason is None for reason in said.values())
    assert isinstance(quality, Quality)
    assert (quality.listed, quality.good, quality.bad) == (len(said), good, len(said) - good)
    text = "\n".join(quality.lines())
    assert f"{good} images can be used, {len(said) - good} cannot" in text
    assert "'nothing.jpg'" in text and "20000 x 3" in text
    text.encode()  # names that are not UTF-8 can be printed
    with pytest.raises(LookalikeError, match="--skip-bad"):
        too_many_bad(quality)
    too_many_bad(quality, 0.5)


def test_the_tar_of_horrors(tmp_path):
    said = make_horrid_tar(tmp_path / "horrid.tar")
    compare(reasons(archive.image_index(tmp_path / "horrid.tar")), said)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["horrid.tar"]


def test_the_zip_of_horrors(tmp_path):
    said = make_horrid_zip(tmp_path / "horrid.zip")
    compare(reasons(archive.image_index(tmp_path / "horrid.zip")), said)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["horrid.zip"]


def test_a_bomb_is_not_decoded(tmp_path):
    make_horrors(tmp_path)
    entry = next(e for e in folder.image_index(tmp_path).entries if e.name == "bomb.png")
    _, examined = examine(entry, 64)
    assert examined.header is None and "too large, more than 178 megapixels" in examined.reason


def test_frames_alpha_and_orientation(tmp_path):
    make_horrors(tmp_path)
    found = {e.name: examine(e, 4000)[0] for e in folder.image_index(tmp_path).entries}
    assert found["rotated.jpg"].shape == (40, 30, 3)
    with Image.open(tmp_path / "animated.gif") as image:
        assert np.array_equal(found["animated.gif"], np.array(image.convert("RGB")))
    with Image.open(tmp_path / "palette alpha.png") as image:
        indices = np.array(image)
        colours = np.array(image.getpalette(), dtype=np.uint8).reshape(-1, 3)[indices]
    assert (found["palette alpha.png"][indices == 0] == 255).all()  # what is transparent is white
    assert np.array_equal(found["palette alpha.png"][indices > 1], colours[indices > 1])
    assert found["line.png"].shape == (1, 4000, 3) and found["dot.png"].shape == (1, 1, 3)
    assert found["deep.png"].shape == (30, 40, 1) and found["deep.png"].min() == 0 and found["deep.png"].max() == 255
    assert np.array_equal(found["deep.png"], found["deep.tif"])
