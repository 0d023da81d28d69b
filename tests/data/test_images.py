"""Pins what training and evaluation may see of the images, their fingerprint, and how sources are found."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_digits

from lookalike.core.errors import LookalikeError
from lookalike.data import digits
from lookalike.data.base import Images, fitted
from lookalike.data.loading import load


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
    assert sorted(make(5).training.tolist()) == [0, 1, 2, 3, 4]


def test_training_is_the_training_split():
    assert sorted(make(4, split=("test", "train", "test", "train")).training.tolist()) == [1, 3]


def test_training_rows_come_in_the_order_of_content():
    images, turn = make(200, split=("train", "test") * 100), torch.randperm(200)
    turned = replace(images, pixels=images.pixels[turn], split=tuple(images.split[i] for i in turn))
    assert torch.equal(turned.pixels[turned.training], images.pixels[images.training])
    assert images.training.tolist() != sorted(images.training.tolist())
    assert torch.equal(turned.order, images.order[turn])


def test_places_are_those_of_sorted_hashes():
    images = make(300)
    pixels = images.pixels.clone()
    pixels[7] = pixels[200] = pixels[31]  # copies come by row
    found = replace(images, pixels=pixels)
    hashes = []
    for x in pixels.numpy():  # the words of the documentation, one image at a time
        sizes = b"".join(n.to_bytes(4, "little") for n in (2, 2, 1))
        hashes.append(hashlib.blake2b(sizes + x.tobytes(), digest_size=16).digest())
    assert [bytes(d) for d in found.digests] == hashes
    expected = sorted(range(300), key=lambda row: (hashes[row], row))
    assert torch.argsort(found.order).tolist() == expected


def test_what_lies_beside_an_image_is_no_part_of_its_digest():
    sizes = torch.tensor([[3, 2], [2, 3], [4, 4]], dtype=torch.int32)
    pixels = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
    noisy = pixels.clone()
    noisy[0, :, 3:], noisy[1, :, :, 3:] = 9, 7
    one, two = (Images(x, ("a", "b", "c"), sizes=sizes) for x in (pixels, noisy))
    assert np.array_equal(one.digests, two.digests)
    assert len({bytes(d) for d in one.digests}) == 3  # black images of three sizes are three images


def test_digests_of_sixty_thousand_small_images_are_those_of_each_by_itself():
    pixels = torch.randint(256, (60_000, 1, 28, 28), dtype=torch.uint8)
    images = Images(pixels, tuple(map(str, range(60_000))))
    assert len(images.order) == 60_000
    for row in (0, 31_007, 59_999):
        assert np.array_equal(images.digests[row], Images(pixels[row : row + 1], ("alone",)).digests[0])


def test_numbers_must_agree():
    with pytest.raises(ValueError, match="4 images but sizes of 3"):
        replace(make(4), sizes=torch.ones(3, 2))


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


def resized(x_NCHW, side):
    """The central square by PyTorch's own resizing: one image after the other."""
    out = []
    for x in x_NCHW:
        least = min(x.shape[1:])
        top, left = ((n - least) // 2 for n in x.shape[1:])
        cut = x[None, :, top : top + least, left : left + least].float()
        out.append(F.interpolate(cut, size=(side, side), mode="bilinear", antialias=True)[0])
    return torch.stack(out)


@pytest.mark.parametrize(("height", "width", "side"), [(12, 12, 4), (9, 20, 6), (20, 7, 16), (4, 12, 4), (5, 5, 11)])
def test_squares_are_the_central_square_resized(height, width, side):
    x = torch.randint(256, (5, 2, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Images(x, tuple("abcde"), side=side)
    assert images.shape == (2, side, side) and images.center_crops.shape == (5, 2, side, side)
    found = images.center_crops[:]
    assert found.dtype == torch.uint8 and (found.float() - resized(x, side)).abs().max() < 0.51


def test_squares_do_not_depend_on_what_is_asked_with_them():
    x = torch.randint(256, (300, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sizes = torch.randint(1, 17, (300, 2), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    center_crops = Images(x, tuple(map(str, range(300))), sizes=sizes, side=8).center_crops
    together = center_crops[:]
    for k in range(0, 300, 7):
        height, width = sizes[k].tolist()
        alone = Images(x[k : k + 1, :, :height, :width], ("alone",), side=8).center_crops[:]
        assert torch.equal(center_crops[torch.tensor([k])][0], together[k]) and torch.equal(alone[0], together[k])
    assert torch.equal(torch.cat(list(center_crops.blocks(64))), together)
    rows = torch.tensor([5, 299, 0, 5])
    assert torch.equal(center_crops.take(rows)[:], together[rows])
    assert torch.equal(center_crops.take(rows).take(torch.tensor([1]))[:], together[299:])
    assert torch.equal(center_crops.take(rows)[1:3], together[rows[1:3]])


def test_images_in_memory_are_made_no_larger_than_views_need():
    x = torch.randint(256, (1030, 2, 24, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Images(x, tuple(map(str, range(1030))))
    small, same = fitted(images, 3), fitted(images, 12)
    assert small.pixels.shape == (1030, 2, 6, 3) and small.shape == (2, 3, 3)
    assert same.pixels is x and same.shape == (2, 12, 12)
    assert abs(small.pixels.float().mean() - x.float().mean()) < 1


def test_digits_are_those_of_scikit_learn(monkeypatch):
    theirs = load_digits()
    for has_file in (True, False):
        if not has_file:
            monkeypatch.setattr(digits, "find_spec", lambda name: None)
        images, labels = digits.bundled()
        assert images.dtype == theirs.images.dtype
        assert (images == theirs.images).all()
        assert (labels == theirs.target).all()


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
