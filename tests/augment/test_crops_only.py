"""What fine-tuning keeps of the views that a run learned from."""

import pytest
import torch

from lookalike.augment.recipes import build_augmentation, crops_only


@pytest.mark.parametrize(
    ("name", "asked", "kept"),
    [
        ("simclr", None, ("crop-flip", 0.08)),
        ("simclr-small", 0.2, ("crop-flip", 0.2)),
        ("crop-flip", None, ("crop-flip", 0.08)),
        ("digits", None, ("crop", 0.5)),
        ("digits", 0.4, ("crop", 0.4)),
        ("crop", None, ("crop", 0.08)),
    ],
)
def test_the_crops_stay_and_mirroring_only_where_it_was(name: str, asked: float | None, kept: tuple[str, float]):
    assert crops_only(name, asked) == kept


def test_whole_crops_are_the_image_itself_and_never_its_mirror_image():
    pixels = torch.randint(0, 256, (64, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    views = build_augmentation("crop", 16, crop_min=1.0)(pixels, seed=0, epoch=0, index_B=torch.arange(64), view=0)
    straight = (views - pixels / 255).abs().flatten(1).mean(1)
    mirrored = (views - pixels.flip(3) / 255).abs().flatten(1).mean(1)
    assert (straight < mirrored).all()
