"""Files of several pages or frames are counted, as only the first is used."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lookalike.cli.commands.doctor import examine_images
from lookalike.core.passed_over import PassedOver
from lookalike.data import loading, sources
from lookalike.data.base import LoadConfig
from lookalike.data.header_scan import HeaderScan, scan_headers
from lookalike.data.opening import open_image

GENERATOR = np.random.default_rng(0)
SEVERAL = ("animated.gif", "animated.png", "animated.webp", "pages.tif", "deep pages.tif")
SINGLE = ("one.gif", "one.png", "one.webp", "one.tif", "overviews.tif", "deep overviews.tif", "channels.tif")


def pictures(n: int) -> list[Image.Image]:
    return [Image.fromarray(GENERATOR.integers(0, 256, (24, 24, 3), dtype=np.uint8)) for _ in range(n)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("further")
    for name in ("animated.gif", "animated.png", "animated.webp", "pages.tif"):
        first, *rest = pictures(3)
        first.save(place / name, save_all=True, append_images=rest)
    for name in ("one.gif", "one.png", "one.webp", "one.tif"):
        pictures(1)[0].save(place / name)
    deep = GENERATOR.integers(0, 2**16, (2, 24, 24), dtype=np.uint16)
    tifffile.imwrite(place / "deep pages.tif", deep, photometric="minisblack", metadata=None)
    tifffile.imwrite(place / "channels.tif", deep, imagej=True, metadata={"axes": "CYX"})
    for name, kind in (("overviews.tif", np.uint8), ("deep overviews.tif", np.uint16)):
        with tifffile.TiffWriter(place / name) as file:
            x = GENERATOR.integers(0, 200, (24, 24), dtype=kind)
            file.write(x, photometric="minisblack", metadata=None)
            file.write(x[::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)
    return place


def counted(kinds: tuple[PassedOver, ...]) -> dict[str, int]:
    return {kind.suffix: kind.count for kind in kinds if kind.reason == "further"}


EXPECTED = {".gif": 1, ".png": 1, ".webp": 1, ".tif": 2}


@pytest.mark.parametrize("store", [True, False])
def test_they_are_counted_by_their_suffix(folder: Path, store: bool, tmp_path: Path):
    place = Path(tmp_path / "photos")
    place.symlink_to(folder)
    for name in ("channels.tif",):  # of two channels, where the others have one or three
        assert (place / name).exists()
    for _ in range(2):  # what was surveyed before says the same
        how = LoadConfig(store=store, cache=str(tmp_path / "cache"), skip_bad=True)
        images = loading.load(str(place), 16, False, how)
        assert images.listed is not None and counted(images.listed.passed_over) == EXPECTED


def test_doctor_counts_them_and_says_what_can_be_done(folder: Path):
    quality = examine_images(str(folder))
    assert counted(quality.passed_over) == EXPECTED
    (line,) = [line for line in quality.lines() if "pages or frames" in line]
    assert line.startswith("5 files of several pages or frames give the first (2 x .tif, ")
    assert line.endswith("to use all, make a file of each: magick FILE page-%04d.png")


def test_a_single_picture_is_none(folder: Path):
    image_index = sources.find(str(folder))
    entries = [entry for entry in image_index.entries if entry.name in SINGLE]
    assert len(entries) == len(SINGLE) and scan_headers(entries).further == ()


@pytest.mark.parametrize("name", SEVERAL)
def test_the_first_is_still_what_is_read(folder: Path, name: str):
    """To ask for another leaves the image where it was."""
    from lookalike.data.decode import decode
    from lookalike.data.further import has_further

    raw = open_image(folder / name)
    assert has_further(raw)
    assert np.array_equal(decode(raw, 24, 3), decode(open_image(folder / name), 24, 3))


def test_one_that_is_cut_short_behind_its_first_frame(folder: Path, tmp_path: Path):
    for name in ("animated.gif", "pages.tif", "deep pages.tif"):
        data = (folder / name).read_bytes()
        for share in (0.5, 0.8, 0.95):
            (tmp_path / name).write_bytes(data[: int(share * len(data))])
            scan_headers(sources.find(str(tmp_path / name)).entries)


def test_a_survey_of_before_says_nothing_of_them(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"channels": 3, "longest": 32, "square": 32, "colour": true}')
    assert HeaderScan.read(tmp_path / "a.json") == HeaderScan(3, 32, 32, True)
