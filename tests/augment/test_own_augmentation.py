"""An augmentation of one's own: a function of batches, torchvision's transforms v2, Albumentations."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import lookalike
from lookalike.augment.own import OwnAugmentation
from lookalike.core.own_code import OwnCodeError
from plain_ops import plain_torchvision

X_BCHW = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def flipped(x_BCHW: Tensor) -> Tensor:
    """Half of the images mirrored, and all of them a little darker."""
    mirrored = torch.rand(len(x_BCHW)) < 0.5
    x_BCHW = torch.where(mirrored[:, None, None, None], x_BCHW.flip(3), x_BCHW)
    return x_BCHW.float() / 255 * random.uniform(0.5, 1) * np.random.uniform(0.9, 1)


def views(function, view: int = 0, rows: slice = slice(None), side: int = 16, epoch: int = 3) -> Tensor:
    index_B = torch.arange(100, 106)[rows]
    return OwnAugmentation(function, side)(X_BCHW[rows], seed=1, epoch=epoch, index_B=index_B, view=view)


def test_a_function_gives_other_views_each_time_and_the_same_ones_again():
    one, two = views(flipped), views(flipped, view=1)
    torch.rand(3), random.random(), np.random.rand()
    assert torch.equal(one, views(flipped)) and not torch.equal(one, two)
    assert not torch.equal(one, views(flipped, epoch=4))
    assert one.dtype == torch.float32 and 0 <= float(one.min()) <= float(one.max()) <= 1


def test_generators_are_left_as_they_were():
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    expected = float(torch.rand(())), random.random(), np.random.rand()
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    views(flipped)
    assert (float(torch.rand(())), random.random(), np.random.rand()) == expected


def test_images_of_differing_size_are_handed_over_as_squares():
    seen: list[Tensor] = []
    own = OwnAugmentation(lambda x: seen.append(x) or x, 12)
    sizes = torch.tensor([[8, 16]] * 6)
    out = own(X_BCHW, seed=0, epoch=0, index_B=torch.arange(6), view=0, sizes_B2=sizes, size=12)
    assert seen[0].shape == (6, 3, 16, 16) and seen[0].dtype == torch.uint8
    assert out.shape == (6, 3, 12, 12)
    square = X_BCHW[:, :, :8, 4:12].float()
    assert abs(float(seen[0].float().mean() - square.mean())) < 2


def test_torchvision_s_transforms_draw_for_each_image(monkeypatch: pytest.MonkeyPatch):
    plain_torchvision(monkeypatch)
    v2 = pytest.importorskip("torchvision.transforms.v2")
    crop = v2.Compose([v2.RandomResizedCrop(16, antialias=True), v2.RandomHorizontalFlip()])
    same = OwnAugmentation(crop, 16)(X_BCHW[:1].expand(6, -1, -1, -1), seed=1, epoch=0, index_B=torch.arange(6), view=0)
    assert len({image.numpy().tobytes() for image in same}) == 6
    whole = views(crop)
    assert torch.equal(whole[2:4], views(crop, rows=slice(2, 4)))  # a view does not depend on its batch


class FakeAlbumentations:
    """What Albumentations looks like: numpy images, one at a time, in a dictionary."""

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        assert image.shape == (16, 16, 3) and image.dtype == np.uint8
        return {"image": np.ascontiguousarray(image[:, ::-1])}


FakeAlbumentations.__module__ = "albumentations.core.composition"


def test_albumentations_are_handed_arrays():
    assert torch.equal(views(FakeAlbumentations()), X_BCHW.flip(3).float() / 255)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x[:2], r"returned a tensor of shape \[2, 3, 16, 16\] for images \[6, 3, 16, 16\]"),
        (lambda x: x.numpy(), "returned ndarray for images"),
        (lambda x: x.long(), "returned torch.int64: it must be uint8 or floating"),
    ],
)
def test_what_is_no_batch_of_views_is_told_with_its_place(function, words: str):
    with pytest.raises(OwnCodeError, match=words) as caught:
        views(function)
    assert f"test_own_augmentation.py:{function.__code__.co_firstlineno}: " in str(caught.value)


def test_a_run_learns_from_them(tmp_path: Path):
    images = X_BCHW.repeat(8, 1, 1, 1).numpy()
    run = lookalike.train(
        "simclr", images, augment=flipped, out=str(tmp_path / "run"), epochs=1, width=4, batch_size=16, threads=1
    )
    assert run.settings["augment"].endswith("test_own_augmentation:flipped")
    assert run.features.shape[0] == 48
