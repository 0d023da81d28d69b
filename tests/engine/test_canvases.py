"""Training on images of differing size: names cannot matter, wherever pixels come from, and any channels go through."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "data"))

from fakes import tiny_options
from listings import listing_of_files, photos, picture
from lookalike import api
from lookalike.api import networks
from lookalike.augment.normalize import channel_statistics
from lookalike.data import store
from lookalike.data.base import Images, LoadConfig
from lookalike.data.image_index import ImageIndex
from lookalike.data.lazy_images import LazyImages
from lookalike.data.store_format import Stored
from lookalike.engine.collection import TrainingImages
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.views import Views
from lookalike.methods.find import find_method

N = 520  # more than one block of features
SMALL = {"width": 4, "precision": "float32", "augment": "simclr", "head_size": 16, "n_clusters": 10}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canvases")


@pytest.fixture(scope="module")
def files(place: Path) -> list[Path]:
    return photos(place / "photos", N, 8, 40)


def in_classes(files: list[Path]) -> ImageIndex:
    """The files in three folders, which are their classes."""
    names = [f"{'abc'[i % 3]}/{i:04d}.jpg" for i in range(N)]
    image_index = listing_of_files(files, names)
    return replace(image_index, labels=tuple(entry.name[0] for entry in image_index.entries))


def flat(files: list[Path]) -> ImageIndex:
    """The same files, called otherwise and without classes."""
    turn = np.random.default_rng(5).permutation(N)
    return listing_of_files(files, [f"x{k:05d}" for k in turn])


def load(image_index: ImageIndex, place: Path, **how: object) -> Images:
    return store.load(image_index, 16, LoadConfig(cache=str(place / "cache"), **how))  # type: ignore[arg-type]


def train(images: Images, out: Path, method: str = "simclr", epochs: int = 1, batch_size: int = 128) -> RunFolder:
    kind = find_method(method)
    said = {k: v for k, v in SMALL.items() if k in kind.Options.__dataclass_fields__} | {"batch_size": batch_size}
    options = kind.Options(data="photos", out=str(out), threads=1, epochs=epochs, **said)
    run = api.train(method, options, set(said), images=images)
    backbone = api.load_feature_extractor(run.encoder, "cpu")
    api.write_features(run.path, images, backbone.features(images.center_crops))
    return run


def content_order(run: RunFolder, images: Images) -> np.ndarray:
    """The features of a run, its images sorted by content."""
    return np.load(run.embeddings)[torch.argsort(images.order).numpy()]


@pytest.mark.parametrize("method", ["simclr", "deepcluster", "deepcluster-v2"])
def test_a_flat_copy_by_other_names_gives_the_same_bits(place: Path, files: list[Path], method: str):
    one, two = load(in_classes(files), place), load(flat(files), place)
    assert one.labels is not None and two.labels is None and one.sizes is not None
    assert not torch.equal(one.pixels[:], two.pixels[:])
    first, second = (train(x, place / f"{method}-{i}", method, 2) for i, x in enumerate((one, two)))
    assert first.encoder.read_bytes() == second.encoder.read_bytes()
    assert np.array_equal(content_order(first, one), content_order(second, two))
    assert (first.snapshots / "views.png").read_bytes() == (second.snapshots / "views.png").read_bytes()


def test_wherever_pixels_are_read_from_training_is_the_same(
    place: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
):
    held = load(flat(files), place)
    monkeypatch.setattr(store, "available_bytes", lambda: 0)
    stored, flying = load(flat(files), place), load(flat(files), place, store=False)
    assert isinstance(held.pixels, torch.Tensor) and isinstance(stored.pixels, Stored)
    assert isinstance(flying.pixels, LazyImages)
    runs = [train(x, place / f"from-{i}") for i, x in enumerate((held, stored, flying))]
    assert len({run.encoder.read_bytes() for run in runs}) == 1
    assert len({run.embeddings.read_bytes() for run in runs}) == 1


def test_views_and_outputs_are_those_of_the_images_by_content(place: Path, files: list[Path]):
    one, two = load(in_classes(files), place), load(flat(files), place)
    found = []
    for images in (one, two):
        kind = find_method("simclr")
        options = tiny_options("simclr", augment="simclr", precision="float32")
        backbone = api.untrained_backbone(options, images, "cpu")
        learner = kind(backbone.encoder, options, N)
        views = Views(learner, backbone, options, images)
        data = TrainingImages(learner, backbone, views, images.training, None)
        found.append((views.one(3, images.training[:50], 1), data.outputs(lambda x: x.flatten(1))))
    assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


def test_what_comes_next_is_asked_for_ahead(place: Path, files: list[Path]):
    images = load(flat(files), place)
    asked: list[list[int]] = []

    class Ahead:
        shape = images.pixels.shape

        def __len__(self) -> int:
            return N

        def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
            return images.pixels[rows]

        def prefetch(self, rows: torch.Tensor) -> None:
            asked.append(rows.tolist())

    options = tiny_options("simclr", augment="simclr", precision="float32")
    backbone = api.untrained_backbone(options, images, "cpu")
    learner = find_method("simclr")(backbone.encoder, options, N)
    views = Views(learner, backbone, options, replace(images, pixels=Ahead()))
    batches = [torch.tensor([k, k + 1]) for k in range(0, 6, 2)]
    views.expect(iter(batches))
    assert asked == [[0, 1]]
    for k, batch in enumerate(batches):
        views.parts(0, batch)
        assert asked == [b.tolist() for b in batches[: k + 2]]
    views.parts(0, batches[0])  # after the last: nothing more


def test_statistics_do_not_depend_on_rows_and_are_those_of_squares(place: Path, files: list[Path]):
    one, two = load(in_classes(files), place), load(flat(files), place)
    options = tiny_options("simclr", precision="float32")
    first, second = (api.untrained_backbone(options, images, "cpu") for images in (one, two))
    assert (first.mean, first.std) == (second.mean, second.std)
    mean, std = channel_statistics(one.center_crops[:])
    assert first.mean == tuple(mean.tolist()) and first.std == tuple(std.tolist())


def test_statistics_of_a_large_collection_are_those_of_a_part(
    place: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
):
    one, two = load(in_classes(files), place), load(flat(files), place)
    monkeypatch.setattr(networks, "_STATISTICS", 100 * 3 * 16 * 16)
    options = tiny_options("simclr", precision="float32")
    first, second = (api.untrained_backbone(options, images, "cpu") for images in (one, two))
    assert first.mean == second.mean
    mean, _ = channel_statistics(one.center_crops[one.training[:100]])
    assert first.mean == tuple(mean.tolist())


@pytest.mark.parametrize("method", ["simclr", "deepcluster"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_any_number_of_channels(tmp_path: Path, channels: int, method: str):
    (tmp_path / "a").mkdir()
    files = []
    for i in range(48):
        files.append(tmp_path / "a" / f"{i:03d}.npy")
        x = picture(i, 12 + i % 9, 10 + i % 13, channels)
        np.save(files[-1], x if channels != 3 else x.astype(np.uint16) * 200)  # 16 bits: three channels of anything
    images = load(listing_of_files(files, [file.name for file in files]), tmp_path)
    assert images.shape == (channels, 16, 16) and images.colour is (channels == 1)
    run = train(images, tmp_path / "run", method, batch_size=32)
    assert np.isfinite(np.load(run.embeddings)).all()
    with Image.open(run.snapshots / "thumbs-0.jpg") as sheet:
        assert sheet.mode == ("L" if channels == 1 else "RGB")
    assert (run.snapshots / "views.png").exists()
