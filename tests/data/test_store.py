"""The store of decoded images: equal to decoding directly, found again, whole or not there."""

import errno
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from heard import Heard
from listings import listing_of_files, listing_of_photos, photos, picture
from lookalike.core.errors import LookalikeError, MachineError
from lookalike.core.progress import listening
from lookalike.data import store, store_build, store_format
from lookalike.data.base import Images, LoadConfig
from lookalike.data.decode import decode
from lookalike.data.header_scan import HeaderScan, most_common_channels, scan_headers
from lookalike.data.image_index import ImageIndex, ImageRef
from lookalike.data.lazy_images import LazyImages
from lookalike.data.padded import digests, prefetch
from lookalike.data.quality import examine, examine_all, quality_of
from lookalike.data.store_format import Index, Shape, Stored
from processes import start

N = 40


def load(image_index: ImageIndex, cache: Path, image_size: int | None = 16, **how) -> Images:
    return store.load(image_index, image_size, LoadConfig(cache=str(cache), **how))


def folders(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.is_dir())


@pytest.fixture
def from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fits into memory."""
    monkeypatch.setattr(store, "available_bytes", lambda: 0)


def plain(image_index: ImageIndex, side: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Canvases and sizes by decoding one image after the other."""
    padded_images, sizes = np.zeros((len(image_index.entries), channels, side, side), np.uint8), []
    for canvas, entry in zip(padded_images, image_index.entries, strict=True):
        x = decode(entry.open(), side, channels)
        canvas[:, : x.shape[0], : x.shape[1]] = x.transpose(2, 0, 1)
        sizes.append(x.shape[:2])
    return padded_images, np.array(sizes)


def same(one: Images, two: Images) -> None:
    """All that training sees of them is equal."""
    assert torch.equal(one.pixels[:], two.pixels[:]) and one.paths == two.paths and one.shape == two.shape
    assert np.array_equal(one.sizes, two.sizes) and np.array_equal(one.digests, two.digests)
    assert one.fingerprint == two.fingerprint and one.skipped == two.skipped and one.colour == two.colour


@pytest.mark.parametrize("disk", [True, False])
def test_a_store_holds_what_decoding_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: bool):
    monkeypatch.setattr(store, "available_bytes", lambda: 0 if disk else 2**40)
    image_index = listing_of_photos(tmp_path / "photos", N)
    images = load(image_index, tmp_path / "cache")
    assert isinstance(images.pixels, Stored if disk else torch.Tensor)
    assert images.shape == (3, 16, 16) and images.pixels.shape == (N, 3, 32, 32)
    padded_images, sizes = plain(image_index, 32, 3)
    assert np.array_equal(images.pixels[:], padded_images) and np.array_equal(images.sizes, sizes)
    assert images.sizes.max() == 32 and images.sizes.dtype == torch.int32
    rows = torch.tensor([5, 39, 0, 5, 6, 7])
    for asked in (rows, rows[:1], rows[:0], slice(3, 9), slice(30, 99), slice(0, 0)):
        assert np.array_equal(images.pixels[asked], padded_images[asked if isinstance(asked, slice) else asked.numpy()])
    assert np.array_equal(images.digests, digests(images.pixels, images.sizes))


def test_the_next_start_finds_the_store_and_decodes_nothing(
    heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    image_index = listing_of_photos(tmp_path / "photos", N)
    first = load(image_index, tmp_path / "cache")
    assert len(heard.lines) == 1 and heard.lines[0].startswith(f"decoding {N} images into {tmp_path / 'cache'}")
    monkeypatch.setattr(store_build, "examine_all", None)
    same(load(image_index, tmp_path / "cache"), first)
    labels = tuple("ab"[i % 2] for i in range(N))
    split = ("train",) * 30 + ("test",) * 10
    labelled = load(replace(image_index, labels=labels, split=split, name="x"), tmp_path / "cache")
    assert labelled.classes == ("a", "b") and labelled.labels[:3].tolist() == [0, 1, 0] and labelled.split == split
    assert len(heard.lines) == 1 and len(folders(tmp_path / "cache")) == 1


def test_without_a_store_all_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image_index = listing_of_photos(tmp_path / "photos", N)
    stored = load(image_index, tmp_path / "cache")
    held = load(image_index, tmp_path / "none", store=False)
    monkeypatch.setattr(store, "available_bytes", lambda: 0)
    flying = load(image_index, tmp_path / "none", store=False)
    assert isinstance(held.pixels, torch.Tensor) and isinstance(flying.pixels, LazyImages)
    same(held, stored)
    same(flying, stored)
    assert not (tmp_path / "none").exists()


def test_images_decoded_on_the_fly_are_kept_for_a_while_and_begun_early(tmp_path: Path, monkeypatch):
    image_index = listing_of_photos(tmp_path / "photos", N)
    decoded = LazyImages(image_index.entries, Shape(3, 32), cache_bytes=0, fewest=8)
    asked, lock = [], threading.Lock()

    def counting(entry: ImageRef, side: int, channels: int):
        with lock:
            asked.append(entry.name)
        return examine(entry, side, channels)

    monkeypatch.setattr("lookalike.data.lazy_images.examine", counting)
    padded_images, _ = plain(image_index, 32, 3)
    rows = torch.tensor([3, 9, 1])
    prefetch(decoded, rows)
    assert np.array_equal(decoded[rows], padded_images[rows.numpy()])
    assert np.array_equal(decoded[rows], padded_images[rows.numpy()]) and len(asked) == 3
    assert np.array_equal(decoded[:], padded_images)  # more than are kept
    prefetch(torch.zeros(3), rows)  # nothing to do where images are there


def test_an_image_that_is_gone_is_named(tmp_path: Path, from_disk: None):
    image_index = listing_of_photos(tmp_path / "photos", 9)
    images = load(image_index, tmp_path / "none", store=False)
    (tmp_path / "photos" / "0004.png").unlink()
    with pytest.raises(LookalikeError, match=r"0004\.png could be read before and cannot any more: No such file"):
        images.pixels[torch.tensor([4])]


@pytest.mark.parametrize("disk", [True, False])
def test_what_cannot_be_read_takes_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: bool):
    monkeypatch.setattr(store, "available_bytes", lambda: 0 if disk else 2**40)
    image_index = listing_of_photos(tmp_path / "photos", N)
    for i in (0, 17, 39):
        (tmp_path / "photos" / f"{i:04d}.{'jpg' if i % 2 else 'png'}").write_bytes(b"no image")
    image_index = replace(image_index, refused=(("pipe", "a pipe"),), labels=tuple(map(str, range(N))))
    good = [i for i in range(N) if i not in (0, 17, 39)]
    for how in ({}, {}, {"store": False}):  # built, found again, and without one
        images = load(image_index, tmp_path / "cache", **how)
        assert images.paths == tuple(image_index.entries[i].name for i in good)
        assert [images.classes[k] for k in images.labels] == [str(i) for i in good]
        assert [name for name, _ in images.skipped] == ["pipe", "0000.png", "0017.jpg", "0039.jpg"]
        expected, _ = plain(replace(image_index, entries=tuple(image_index.entries[i] for i in good)), 32, 3)
        assert np.array_equal(images.pixels[:], expected)
        directly = [examine(entry, 32, 3)[1] for entry in image_index.entries]
        for found, wanted in zip(images.examined, directly, strict=True):
            assert replace(found, spread=0) == replace(wanted, spread=0)
            assert found.spread == pytest.approx(wanted.spread)
        assert quality_of(images.listed, images.examined).bad == 4


def test_too_many_that_cannot_be_read_stop_the_run(tmp_path: Path):
    image_index = listing_of_photos(tmp_path / "photos", 10)
    for i in (1, 3, 5):
        (tmp_path / "photos" / f"000{i}.jpg").write_bytes(b"no image")
    for how in ({}, {}, {"store": False}):
        with pytest.raises(LookalikeError, match=r"3 of 10 images .* go on with the other 7: --skip-bad"):
            load(image_index, tmp_path / "cache", **how)
        assert len(load(image_index, tmp_path / "cache", skip_bad=True, **how)) == 7
    for entry in image_index.entries:
        (tmp_path / "photos" / entry.name).write_bytes(b"no image")
    with pytest.raises(LookalikeError, match="None is left to use"):
        load(image_index, tmp_path / "other", skip_bad=True)


def test_keys_change_with_settings_names_and_content(tmp_path: Path):
    image_index = listing_of_photos(tmp_path / "photos", 4)
    first, *others = image_index.entries
    keys = [
        store.key_of(image_index),
        store.key_of(replace(image_index, entries=tuple(others))),
        store.key_of(replace(image_index, entries=(replace(first, name="a.png"), *others))),
        store.key_of(replace(image_index, entries=(replace(first, stamp=(1, 2)), *others))),
    ]
    assert len(set(keys)) == len(keys)
    others = replace(
        image_index, name="x", labels=("a",) * 4, split=("train",) * 4, notes=("n",), refused=(("b", "c"),)
    )
    assert store.key_of(others) == keys[0]


def test_a_changed_file_is_decoded_anew(tmp_path: Path):
    files = photos(tmp_path / "photos", 6)
    names = [file.name for file in files]
    before = load(listing_of_files(files, names), tmp_path / "cache")
    Image.fromarray(picture(77, 20, 30)).save(files[2])
    after = load(listing_of_files(files, names), tmp_path / "cache")
    assert [i for i in range(6) if not torch.equal(before.pixels[i], after.pixels[i])] == [2]
    assert len(folders(tmp_path / "cache")) == 2


def failing_after(monkeypatch: pytest.MonkeyPatch, n: int, error: Exception) -> list[int]:
    """Let the n-th write of pixels fail; the list counts writes."""
    real, written = os.pwrite, []

    def pwrite(file: int, data: memoryview, start: int) -> int:
        written.append(start)
        if len(written) > n:
            raise error
        return real(file, data, start)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return written


def test_a_full_disk_is_told_and_what_is_done_is_kept(heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image_index = listing_of_photos(tmp_path / "photos", N)
    expected = load(image_index, tmp_path / "whole")
    failing_after(monkeypatch, 25, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(
        MachineError, match=r"cannot write the store .*: No space left on device\..*--cache.*--no-store"
    ):
        load(image_index, tmp_path / "cache")
    (partial,) = folders(tmp_path / "cache")
    assert partial.suffix == ".partial"  # never taken for whole
    monkeypatch.undo()
    heard.lines.clear()
    decoded = []

    def counting(entries, *more):
        decoded.extend(entries)
        return examine_all(entries, *more)

    monkeypatch.setattr(store_build, "examine_all", counting)
    same(load(image_index, tmp_path / "cache"), expected)
    assert "going on with the store" in heard.lines[0] and N - 25 <= len(decoded) < N
    assert [folder.suffix for folder in folders(tmp_path / "cache")] == [""]


def test_an_index_that_cannot_be_written_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(MachineError, match="cannot write the store of decoded images.*No space left"):
        load(listing_of_photos(tmp_path / "photos", 4), tmp_path / "cache")


def build(photos: Path, cache: Path, wait: float, output: Path) -> None:
    """Build a store slowly, in chunks of 8 images that are saved each; `wait` is in seconds an image."""
    store_build._SAVE, store_build._CHUNK = 0.0, 8

    def slow(entries, *more):
        time.sleep(wait * len(entries))
        return examine_all(entries, *more)

    store_build.examine_all = slow
    files = sorted(photos.iterdir())
    listener = Heard()
    with listening(listener):
        images = load(listing_of_files(files, [file.name for file in files]), cache)
    output.write_text("\n".join([*listener.lines, *listener.begun, f"done {images.fingerprint}"]))


def test_a_store_whose_building_was_killed_goes_on(heard: Heard, tmp_path: Path):
    image_index = listing_of_photos(tmp_path / "photos", N)
    cache = tmp_path / "cache"
    process = start(build, tmp_path / "photos", cache, 0.05, tmp_path / "output")
    partial = cache / f"{store.key_of(image_index)}-32.partial"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            done = (Index.read(partial, N).records["state"] > 0).sum()
        except store_format.Damaged:
            done = 0
        if done >= 8:
            break
        time.sleep(0.02)
    process.kill()
    process.join()
    assert 8 <= done < N and not partial.with_suffix("").exists()
    heard.lines.clear()
    images = load(image_index, cache)
    number = int(heard.lines[0].split(": ")[1].split(" of ")[0])
    assert number >= done
    same(images, load(image_index, tmp_path / "afresh"))


def test_of_two_processes_one_builds_and_the_other_waits(tmp_path: Path):
    image_index = listing_of_photos(tmp_path / "photos", 16)
    outputs = [tmp_path / "one", tmp_path / "other"]
    processes = [start(build, tmp_path / "photos", tmp_path / "cache", 0.02, output) for output in outputs]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    both = "".join(output.read_text() for output in outputs)
    assert both.count("decoding 16 images") == 1
    assert both.count("another process is building the store") <= 1  # none where one began after the other had ended
    fingerprint = load(image_index, tmp_path / "alone").fingerprint
    assert both.count(f"done {fingerprint}") == 2


def test_a_process_that_finds_the_lock_taken_says_so_and_waits(tmp_path: Path):
    heard = Heard()
    held, waited = threading.Event(), []

    def other() -> None:
        with listening(heard), store_build.locked(tmp_path / "key.lock"):
            waited.append(held.is_set())

    with store_build.locked(tmp_path / "key.lock"):
        thread = threading.Thread(target=other)
        thread.start()
        while not heard.phases:
            time.sleep(0.01)
        held.set()
    thread.join()
    assert waited == [True]
    assert heard.begun == [f"waiting for another process, which is building the store {tmp_path / 'key'}"]


@pytest.mark.parametrize("damage", ["short", "long", "index", "no index", "no pixels", "zeros", "other index"])
def test_a_damaged_store_is_built_anew(heard: Heard, tmp_path: Path, damage: str):
    image_index = listing_of_photos(tmp_path / "photos", N)
    expected = load(image_index, tmp_path / "cache")
    (folder,) = folders(tmp_path / "cache")
    pixels, index = folder / "canvases", folder / "index.npz"
    if damage == "short":
        os.truncate(pixels, 1000)
    elif damage == "long":
        os.truncate(pixels, pixels.stat().st_size + 1)
    elif damage == "index":
        data = bytearray(index.read_bytes())
        data[len(data) // 3] ^= 1
        index.write_bytes(data)
    elif damage == "no index":
        index.unlink()
    elif damage == "no pixels":
        pixels.unlink()
    elif damage == "zeros":
        pixels.write_bytes(bytes(pixels.stat().st_size))
    else:
        Index(Shape(3, 32), np.zeros(3, store_format.RECORD), {}).write(folder)
    heard.lines.clear()
    same(load(image_index, tmp_path / "cache"), expected)
    assert "is damaged" in heard.lines[0] and "it is built anew" in heard.lines[0] and "decoding" in heard.lines[1]


def test_a_store_cut_short_while_it_is_used(tmp_path: Path, from_disk: None):
    images = load(listing_of_photos(tmp_path / "photos", N), tmp_path / "cache")
    os.truncate(folders(tmp_path / "cache")[0] / "canvases", 5000)
    with pytest.raises(LookalikeError, match="ends too early"):
        images.pixels[:]


def test_room_is_looked_at_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    image_index = listing_of_photos(tmp_path / "photos", N)
    with pytest.raises(
        LookalikeError, match=r"40 images of 32 x 32 pixels take 120 KB .* --store-limit is 100 KB.*--no-"
    ):
        load(image_index, tmp_path / "cache", limit="100KB")
    usage = shutil.disk_usage(tmp_path)
    for free, words in ((100_000, "where 98 KB are free"), (200_000, "half of the free disk is 98 KB")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        with pytest.raises(LookalikeError, match=words):
            load(image_index, tmp_path / "cache")
    assert not folders(tmp_path / "cache")
    assert len(load(image_index, tmp_path / "cache", limit="1MB")) == N


def test_a_cache_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    image_index = listing_of_photos(tmp_path / "photos", 3)
    with pytest.raises(MachineError, match=r"Not a directory|File exists"):
        load(image_index, tmp_path / "file" / "cache")


def test_the_size_of_the_cache(tmp_path: Path):
    assert store.cache_size(tmp_path / "cache") == (0, 0)
    load(listing_of_photos(tmp_path / "photos", N), tmp_path / "cache")
    stores, size = store.cache_size(tmp_path / "cache")
    assert stores == 1 and 100_000 < size < 300_000


def test_where_stores_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert store.cache_folder(None) == tmp_path / ".cache" / "lookalike"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert store.cache_folder(None) == Path("/elsewhere/lookalike")
    assert store.cache_folder("~/here") == tmp_path / "here"


def arrays(folder: Path, shapes: list[tuple[int, ...]]) -> ImageIndex:
    folder.mkdir()
    files = []
    for i, shape in enumerate(shapes):
        files.append(folder / f"{i}.npy")
        np.save(files[-1], picture(i, *shape) if len(shape) == 3 else picture(i, *shape, 1)[:, :, 0])
    return listing_of_files(files, [file.name for file in files])


@pytest.mark.parametrize(
    ("shapes", "image_size", "expected"),
    [
        ([(20, 20, 3)] * 3, None, (3, 20, 20, True)),  # small squares keep their size
        ([(64, 64)] * 3, None, (1, 64, 64, True)),
        ([(20, 20, 3)] * 3, 8, (3, 16, 8, True)),
        ([(20, 20, 3)] * 3, 32, (3, 20, 32, True)),  # never enlarged in the store
        ([(65, 65, 3)] * 3, None, (3, 65, 64, True)),
        ([(300, 20, 3), (20, 20)], None, (3, 128, 64, True)),  # grey beside colour
        ([(30, 20, 5), (20, 90, 5), (9, 200, 3)], None, (5, 90, 64, False)),  # what does not fit does not count
        ([(30, 20, 2)], 224, (2, 30, 224, False)),
    ],
)
def test_sizes_and_channels_are_chosen_by_the_images(tmp_path: Path, shapes, image_size, expected):
    found = scan_headers(arrays(tmp_path / "a", shapes).entries)
    side = found.side(image_size)
    assert (found.channels, found.shape(side).canvas, side, found.colour) == expected


def test_a_size_that_was_chosen_finds_the_store_when_it_is_named(heard: Heard, tmp_path: Path):
    image_index = listing_of_photos(tmp_path / "photos", N)
    one = load(image_index, tmp_path / "cache", None)
    same(load(image_index, tmp_path / "cache", one.shape[1]), one)  # as a run's config.toml does
    large = load(image_index, tmp_path / "cache", 100)
    assert large.shape == (3, 100, 100) and torch.equal(large.pixels[:], one.pixels[:])  # no image is larger
    assert len(heard.lines) == 1
    assert load(image_index, tmp_path / "cache", 16).pixels.shape[-1] == 32 and len(heard.lines) == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"channels": "3", "longest": 9, "square": 0, "colour": true}'])
def test_a_damaged_survey_is_made_anew(tmp_path: Path, text: str):
    image_index = listing_of_photos(tmp_path / "photos", 5)
    expected = load(image_index, tmp_path / "cache")
    (tmp_path / "cache" / f"{store.key_of(image_index)}.json").write_text(text)
    same(load(image_index, tmp_path / "cache"), expected)


@pytest.mark.parametrize(
    ("channels", "chosen"),
    [([1, 1], 1), ([1, 3, 1], 3), ([3], 3), ([5, 5, 3], 5), ([4, 3, 1], 3), ([2, 4], 2), ([], 3)],
)
def test_the_number_of_channels_is_that_of_most_images(channels: list[int], chosen: int):
    assert most_common_channels(channels) == chosen


def test_images_of_another_number_of_channels_are_skipped(tmp_path: Path):
    images = load(arrays(tmp_path / "a", [(20, 20, 5)] * 6 + [(20, 20, 3)]), tmp_path / "cache")
    assert len(images) == 6 and images.skipped[0][0] == "6.npy" and "5 channels" in images.skipped[0][1]


def test_images_that_fill_their_canvases_have_no_sizes(tmp_path: Path):
    images = load(arrays(tmp_path / "a", [(20, 20, 3)] * 3), tmp_path / "cache", None)
    assert (
        images.sizes is None
        and images.center_crops[:] is not None
        and torch.equal(images.center_crops[:], images.pixels[:])
    )


@pytest.mark.slow
def test_sixty_thousand_images_are_there_without_one_being_decoded(tmp_path: Path, from_disk: None):
    opened: list[int] = []
    entries = tuple(ImageRef(f"{i:06d}.jpg", (i, i), lambda i=i: opened.append(i)) for i in range(60_000))
    image_index = ImageIndex(entries, "many")
    folder = tmp_path / f"{store.key_of(image_index)}-32"
    HeaderScan(3, 32, 32, True).write(tmp_path / f"{store.key_of(image_index)}.json")
    folder.mkdir()
    index = Index(Shape(3, 32), np.zeros(60_000, store_format.RECORD), {})
    black = np.frombuffer(digests(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), None).tobytes(), np.uint8)
    index.records["state"], index.records["digest"] = store_format.GOOD, black
    index.records["height"] = index.records["width"] = 32
    index.write(folder)
    with open(folder / "canvases", "wb") as file:
        file.truncate(60_000 * 3072)
    images = load(image_index, tmp_path, None)
    assert len(images) == 60_000
    assert opened == []
