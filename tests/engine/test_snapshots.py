"""Snapshots: what is kept of a training, the same whether it was interrupted or not, without a label."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fakes import Killed, signal_after
from lookalike import api
from lookalike.core.errors import Interrupted
from lookalike.data.base import Images
from lookalike.data.loading import load as load_images
from lookalike.engine import snapshots as module
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor
from lookalike.engine.loop import Trainer
from lookalike.engine.saving import Checkpoint
from lookalike.engine.snapshots import SIDE, pixel_hashes, sprite_sheet
from lookalike.engine.views import augmentation_of
from lookalike.evaluate.baselines import pixel_features
from lookalike.methods import deepcluster, simclr
from lookalike.runs.folder import RunFolder

SMALL = {"epochs": 3, "batch_size": 128, "width": 4, "check_every": 2, "precision": "float32"}


def digits(n: int = 300) -> Images:
    """The first n digits."""
    images = load_images("digits")
    assert images.labels is not None
    return dataclasses.replace(images, pixels=images.pixels[:n], paths=images.paths[:n], labels=images.labels[:n])


def train(out: Path, method: str = "simclr", images: Images | None = None, **changes: object) -> RunFolder:
    """A short run on 300 digits."""
    said = {**SMALL, **({"n_clusters": 10} if method == "deepcluster" else {"head_size": 16}), **changes}
    kind = deepcluster.Options if method == "deepcluster" else simclr.Options
    options = kind(data="digits", out=str(out), threads=1, **said)
    return api.train(method, options, set(said), images=images or digits())


def contents(run: RunFolder) -> dict[str, bytes]:
    """The files of snapshots/."""
    return {path.name: path.read_bytes() for path in sorted(run.snapshots.iterdir())}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that nobody interrupted."""
    return train(tmp_path_factory.mktemp("straight") / "run")


def index(run: RunFolder) -> dict:
    """snapshots/index.json."""
    return json.loads((run.snapshots / "index.json").read_text())


def test_a_snapshot_is_taken_at_every_look(run: RunFolder):
    found = index(run)
    assert found["format"] == 1
    assert found["rows"] == list(range(300))
    assert [(f["file"], f["kind"], f["epoch"], f["step"]) for f in found["frames"]] == [
        ("pixels.npy", "pixels", 0, 0),
        ("000000.npy", "untrained", 0, 0),
        ("000004.npy", "network", 2, 4),
        ("000006.npy", "network", 3, 6),
    ]
    assert all(np.load(run.snapshots / f["file"]).dtype == np.float16 for f in found["frames"])


def test_features_are_those_of_pixels_and_of_the_network(run: RunFolder):
    images = digits()
    pixels, last = (np.load(run.snapshots / name) for name in ("pixels.npy", "000006.npy"))
    assert np.array_equal(pixels, pixel_features(images.pixels).half().numpy())
    assert np.array_equal(last, load_feature_extractor(run.encoder, "cpu").features(images.pixels).half().numpy())
    untrained = np.load(run.snapshots / "000000.npy").astype(np.float32)
    assert untrained.std() > 0.01  # BatchNorm was calibrated: features are not close to nothing


@pytest.fixture(scope="module")
def straight(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """A run of each of two methods that nobody interrupted."""
    return {"simclr": run, "deepcluster": train(tmp_path_factory.mktemp("deepcluster") / "run", "deepcluster")}


@pytest.mark.parametrize("method", ["simclr", "deepcluster"])
@pytest.mark.parametrize("stop_after", [1, 4, 5])
def test_a_run_that_was_stopped_has_the_same(
    straight: dict[str, RunFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, stop_after: int
):
    signal_after(monkeypatch, stop_after)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", method)
    monkeypatch.undo()
    assert contents(train(tmp_path / "run", method)) == contents(straight[method])


@pytest.mark.parametrize("moment", ["before the index", "before the checkpoint"])
def test_frames_after_the_checkpoint_are_written_again(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    def killed(self: object, *_: object) -> None:
        raise Killed

    if moment == "before the index":
        write = module.Snapshots._write_index
        counted: list[int] = []

        def writing(self: module.Snapshots) -> None:
            counted.append(1)
            if len(counted) == 4:  # pixels, untrained, epoch 2, epoch 3
                raise Killed
            write(self)

        monkeypatch.setattr(module.Snapshots, "_write_index", writing)
    else:
        save = Checkpoint.save
        monkeypatch.setattr(Checkpoint, "save", lambda self, end: save(self, end) if end.step < 6 else killed(self))
    with pytest.raises(Killed):
        train(tmp_path / "run")
    assert (tmp_path / "run" / "snapshots" / "000006.npy").exists()
    monkeypatch.undo()
    begun: list[list[str]] = []
    begin = module.Snapshots.begin

    def beginning(self: module.Snapshots, step: int) -> None:
        begin(self, step)
        begun.append(sorted(path.name for path in self.folder.glob("0*.npy")))

    monkeypatch.setattr(module.Snapshots, "begin", beginning)
    assert contents(train(tmp_path / "run")) == contents(run)
    assert begun == [["000000.npy", "000004.npy"]]


def test_labels_are_never_used(run: RunFolder, tmp_path: Path):
    assert contents(train(tmp_path / "run", images=dataclasses.replace(digits(), labels=None, classes=()))) == contents(
        run
    )


def test_subset_and_thumbnails_of_a_larger_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SUBSET", 50)
    monkeypatch.setattr(module, "THUMBNAILS", 200)
    asked: list[int] = []
    features = FeatureExtractor.features

    def counting(self: FeatureExtractor, images: torch.Tensor, *comm: object) -> torch.Tensor:
        asked.append(len(images))
        return features(self, images, *comm)

    monkeypatch.setattr(FeatureExtractor, "features", counting)
    one, two = train(tmp_path / "one"), train(tmp_path / "two", seed=1)
    # three looks a run ask for all images once and for their views; the frame of 50 is among the former
    assert 50 not in asked
    assert asked.count(300) == 2 * 3 * 2
    rows, shown = index(one)["rows"], json.loads((one.snapshots / "thumbs.json").read_text())["rows"]
    assert len(rows) == 50 and len(shown) == 200
    assert rows == sorted(rows) and shown == sorted(shown)
    assert set(rows) <= set(shown)
    assert rows != index(two)["rows"]
    assert max(rows) > 250 and min(rows) < 50  # from everywhere
    last = np.load(one.snapshots / "000006.npy")
    expected = load_feature_extractor(one.encoder, "cpu").features(digits().pixels[torch.tensor(rows)])
    np.testing.assert_allclose(last, expected.half().numpy(), rtol=2e-3, atol=1e-4)  # in blocks of other images
    assert np.array_equal(np.load(one.snapshots / "hashes.npy"), pixel_hashes(digits().pixels[torch.tensor(shown)]))


def test_clusters_are_kept_with_the_frames(tmp_path: Path):
    images = digits()
    run = train(
        tmp_path / "run", "deepcluster", images=dataclasses.replace(images, split=("train",) * 280 + ("test",) * 20)
    )
    frames = index(run)["frames"]
    assert [f.get("clusters") for f in frames] == [None, None, "000004-clusters.npy", "000006-clusters.npy"]
    clusters = np.load(run.snapshots / "000006-clusters.npy")
    assert clusters.dtype == np.int32
    trained = torch.load(run.checkpoint, weights_only=True)["method"]["assignment_N"].numpy()
    assert np.array_equal(
        clusters[torch.argsort(images.order[:280]).numpy()], trained
    )  # a method has images by content
    assert (clusters[280:] == -1).all()


def test_snapshots_may_be_left_out_and_taken_up_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "run"
    signal_after(monkeypatch, 5)
    with pytest.raises(Interrupted):
        train(out, snapshots=False)
    monkeypatch.undo()
    assert not (out / "snapshots").exists()
    train(out)
    assert [f["file"] for f in index(RunFolder(out))["frames"]] == ["pixels.npy", "000006.npy"]


def test_a_damaged_index_is_written_anew(tmp_path: Path):
    options = simclr.Options(seed=0)
    images = digits()
    augmentation = torch.nn.Identity()
    kept = module.Snapshots(tmp_path, images, augmentation, options.seed)  # type: ignore[arg-type]  # a stand-in
    kept.frames = [{"file": "a.npy", "step": 3}]
    for text in ("{", "[]", '{"format": 1}', '{"format": 2, "rows": [], "frames": []}'):
        (tmp_path / "index.json").write_text(text)
        assert kept._written() == []


def test_the_index_of_images_is_there_from_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Trainer, "fit", lambda *_: (_ for _ in ()).throw(Interrupted("stop", 2)))
    with pytest.raises(Interrupted):
        train(tmp_path / "run")
    assert len((tmp_path / "run" / "index.csv").read_text().splitlines()) == 301


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3), (20, 4)])
def test_sprite_sheets(side: int, channels: int):
    pixels = torch.arange(70, dtype=torch.uint8)[:, None, None, None].expand(70, channels, side, side) * 3
    sheet = sprite_sheet(pixels)
    assert sheet.size == (64 * SIDE, 2 * SIDE)
    assert sheet.mode == ("L" if channels == 1 else "RGB")
    tile = np.asarray(sheet.crop((3 * SIDE, SIDE, 4 * SIDE, 2 * SIDE)))
    assert (tile == 67 * 3).all()


def test_thumbnails_on_disk_show_the_images(run: RunFolder):
    table = json.loads((run.snapshots / "thumbs.json").read_text())
    assert (table["side"], table["columns"]) == (32, 64)
    assert table["sheets"] == [{"file": "thumbs-0.jpg", "first": 0, "count": 300}]
    with Image.open(run.snapshots / "thumbs-0.jpg") as sheet:
        tile = np.asarray(sheet.crop((5 * 32, 2 * 32, 6 * 32, 3 * 32)), np.float32)
    assert np.abs(tile - digits().pixels[133, 0].repeat_interleave(2, 0).repeat_interleave(2, 1).numpy()).mean() < 6
    assert (run.snapshots / "thumbs-0.jpg").stat().st_size < 300 * 500


def test_hashes_tell_images_apart():
    pixels = digits().pixels
    hashes = pixel_hashes(torch.cat([pixels, pixels[:3]]))
    assert hashes.dtype == np.dtype("<u8")
    assert hashes[300:].tolist() == hashes[:3].tolist()
    assert len(set(hashes.tolist())) == len({image.numpy().tobytes() for image in pixels})


def before_views(out: Path, images: Images) -> module.Snapshots:
    """Snapshots of images whose views are not chosen yet, begun."""
    kept = module.Snapshots(out / "snapshots", images, None, 0)
    kept.begin(0)
    return kept


def test_views_are_shown_once_they_are_chosen(run: RunFolder, tmp_path: Path):
    images, straight = digits(), contents(run)
    kept = before_views(tmp_path, images)
    names = {"index.json", "thumbs.json", "thumbs-0.jpg", "hashes.npy", "pixels.npy"}
    assert set(contents(RunFolder(tmp_path))) == names
    kept.show_views(augmentation_of(api.options_of(run)[1], images))
    assert (tmp_path / "snapshots" / "views.png").read_bytes() == straight["views.png"]


def test_what_was_begun_before_the_views_were_chosen_is_not_done_again(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    begin = module.Snapshots.begin

    def beginning(self: module.Snapshots, step: int) -> None:
        begin(module.Snapshots(self.folder, self.images, None, self.seed), step)
        with monkeypatch.context() as patch:
            patch.setattr(module, "sprite_sheet", None)
            patch.setattr(module, "pixel_features", None)
            begin(self, step)

    monkeypatch.setattr(module.Snapshots, "begin", beginning)
    assert contents(train(tmp_path / "run")) == contents(run)


@pytest.mark.parametrize("moment", ["_write_views", "_write_index"])
def test_a_start_that_was_killed_before_its_first_step_is_begun_again(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(module.Snapshots, moment, killed)
    with pytest.raises(Killed):
        train(tmp_path / "run")
    monkeypatch.undo()
    assert contents(train(tmp_path / "run")) == contents(run)


def test_images_whose_thumbnails_are_gone_are_looked_at_again(run: RunFolder, tmp_path: Path):
    kept = before_views(tmp_path, digits())
    straight = contents(run)
    for name in ("thumbs-0.jpg", "hashes.npy", "thumbs.json"):
        (tmp_path / "snapshots" / name).unlink()
        kept.begin(0)
        assert (tmp_path / "snapshots" / name).read_bytes() == straight[name]
