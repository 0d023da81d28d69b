"""Pins what training and evaluation may see of the images, their fingerprint, and how sources are found."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from lookalike.core.errors import LookalikeError
from lookalike.data.base import Images, load, resize


def make(n, labels="zeros", split=None, prefix="image"):
    generator = torch.Generator().manual_seed(0)
    return Images(
        pixels=torch.randint(256, (n, 1, 2, 2), dtype=torch.uint8, generator=generator),
        paths=tuple(f"{prefix}{i}.png" for i in range(n)),
        labels=torch.zeros(n, dtype=torch.int64) if labels == "zeros" else labels,
        classes=("0",),
        split=split,
    )


def test_training_without_a_split_is_everything():
    assert make(5).training.tolist() == [0, 1, 2, 3, 4]


def test_training_is_the_training_split():
    assert make(4, split=("test", "train", "test", "train")).training.tolist() == [1, 3]


def test_evaluation_holds_out_a_fifth():
    learn, test = make(5000).evaluation
    assert sorted([*learn.tolist(), *test.tolist()]) == list(range(5000))
    assert 0.18 < len(test) / 5000 < 0.22


def test_adding_files_moves_none_of_the_others():
    before = make(200)
    added = tuple(f"more{i}.png" for i in range(100))
    paths = tuple(sorted(before.paths + added))
    pixels, labels = torch.zeros(300, 1, 2, 2, dtype=torch.uint8), torch.zeros(300, dtype=torch.int64)
    after = Images(pixels=pixels, paths=paths, labels=labels)
    held_out = [{images.paths[row] for row in images.evaluation[1]} for images in (before, after)]
    assert held_out[0] and held_out[0] == held_out[1] - set(added)


def test_evaluation_uses_a_split_of_its_own():
    learn, test = make(5, split=("test", "train", "test", "train", "train")).evaluation
    assert learn.tolist() == [1, 3, 4] and test.tolist() == [0, 2]


def test_unlabelled_images_are_no_part_of_evaluation():
    labels = torch.tensor([0, -1, 0, -1, 0])
    learn, test = make(5, labels=labels, split=("train", "train", "test", "test", "train")).evaluation
    assert learn.tolist() == [0, 4] and test.tolist() == [2]
    whole = make(500, labels=torch.arange(500) % 2 - 1)
    assert all((whole.labels[rows] == 0).all() and len(rows) for rows in whole.evaluation)


def test_no_labels_no_evaluation():
    assert make(5, labels=None).evaluation is None


def test_fingerprint_changes_with_pixels_names_order_and_split():
    images = make(4)
    pixels = images.pixels.clone()
    pixels[3, 0, 1, 1] ^= 1
    variants = [
        images,
        replace(images, pixels=pixels),
        replace(images, pixels=images.pixels.flip(0)),
        replace(images, pixels=images.pixels.reshape(4, 1, 1, 4)),
        replace(images, paths=("renamed.png", *images.paths[1:])),
        replace(images, split=("train", "train", "train", "test")),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)


def test_fingerprint_ignores_labels():
    images = make(4)
    labels = torch.tensor([0, 1, 0, 1])
    assert replace(images, labels=labels, classes=("a", "b")).fingerprint == images.fingerprint
    assert replace(images, labels=None).fingerprint == images.fingerprint


def test_fingerprint_does_not_depend_on_the_memory_layout():
    images = make(4)
    turned = replace(images, pixels=images.pixels.transpose(2, 3).contiguous().transpose(2, 3))
    assert not turned.pixels.is_contiguous() and turned.fingerprint == images.fingerprint


def test_resize_keeps_the_central_square():
    x = torch.zeros(1, 1, 4, 12, dtype=torch.uint8)
    x[..., 4:8] = 200
    assert torch.equal(resize(x, 4), torch.full((1, 1, 4, 4), 200, dtype=torch.uint8))


def test_resize_averages_and_works_in_blocks():
    x = torch.randint(256, (1030, 2, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    small = resize(x, 2)
    assert small.shape == (1030, 2, 2, 2) and small.dtype == torch.uint8
    assert torch.equal(small[1029:], resize(x[1029:], 2))
    assert abs(small.float().mean() - x.float().mean()) < 1


def test_digits():
    images = load("digits")
    assert images.pixels.shape == (1797, 1, 16, 16) and images.pixels.max() == 255
    assert images.labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert load("digits", image_size=8).shape == (1, 8, 8)
    with pytest.raises(LookalikeError, match="take no folder, got digits:somewhere"):
        load("digits:somewhere")


def test_no_such_path_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LookalikeError, match=rf"no such folder or file: photos \(working folder {tmp_path}\)"):
        load("photos")


@pytest.mark.parametrize(
    ("data", "nearest"), [("mnits:data", "mnist"), ("cifar:data", "cifar10"), ("digit:", "digits"), ("MNIST:d", None)]
)
def test_misspelt_source_gives_the_nearest_name(data, nearest):
    with pytest.raises(LookalikeError, match=f"did you mean '{nearest}'" if nearest else "valid: .*mnist"):
        load(data)


def test_sources_named_by_a_path_are_no_prefixes():
    with pytest.raises(LookalikeError, match="no such folder or file: folder:x"):
        load("folder:x")


def test_nothing_named():
    with pytest.raises(LookalikeError, match="no images named: give a folder"):
        load("")


def test_a_folder_whose_name_has_a_colon(tmp_path):
    (tmp_path / "trip: day 1").mkdir()
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(tmp_path / "trip: day 1/1.png")
    assert load(str(tmp_path / "trip: day 1")).name == "trip: day 1"
