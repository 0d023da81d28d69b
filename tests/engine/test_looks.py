"""A look puts each image through the network once, whoever else wants its features."""

import torch
from torch import Tensor

from lookalike.augment.recipes import build_augmentation
from lookalike.data.base import Images
from lookalike.data.padded import CenterCrops
from lookalike.engine.extent import USUAL, Extent
from lookalike.engine.looks import Looker, Once


def collection(n: int = 90) -> Images:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    pixels = torch.randint(0, 60, (n, 1, 8, 8), dtype=torch.uint8, generator=generator)
    pixels[:, :, :, :4] += (60 * labels[:, None, None, None]).to(torch.uint8)
    return Images(pixels, tuple(map(str, range(n))), labels=labels, classes=("a", "b", "c"))


class Counting:
    """Pixels as features; keeps how many images it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, images_NCHW: Tensor | CenterCrops) -> Tensor:
        self.asked += len(images_NCHW)
        return images_NCHW[:].float().flatten(1)


def test_features_are_those_of_the_rows_in_any_order_and_as_often_as_asked_for():
    images, features = collection(), Counting()
    once = Once(features, images.center_crops, torch.tensor([7, 3, 80, 3]))
    assert features.asked == 3
    rows = torch.tensor([80, 3, 7, 7])
    assert torch.equal(once(rows), images.center_crops[rows].float().flatten(1))
    assert features.asked == 3


def test_a_look_asks_for_each_image_and_each_view_once():
    images, features = collection(), Counting()
    looker = Looker(images, build_augmentation("crop-flip", 8), 0)
    look = looker.look_at(looker.once(features, beside=torch.arange(90)))
    assert features.asked == 90 + len(looker.views)
    assert look == looker.look_at(looker.once(Counting()))  # what others want to know changes nothing
    assert look.knn is not None
    assert look.knn > 0.6  # of three classes that differ in brightness
    assert len(set(looker.bank.tolist()) & set(looker.queries.tolist())) == 0


def test_retrieval_alone_is_that_of_the_look():
    looker = Looker(collection(), build_augmentation("crop-flip", 8), 0)
    assert looker.retrieval(Counting()) == looker.look_at(looker.once(Counting())).health.retrieval


def test_without_labels_there_is_no_knn():
    images = collection()
    looker = Looker(Images(images.center_crops[:], images.paths), build_augmentation("crop-flip", 8), 0)
    assert looker.look_at(looker.once(Counting())).knn is None


def test_looks_of_a_run_with_little_time_take_fewer_images():
    assert Extent.within(100_000) == USUAL
    some = Extent.within(6000)
    assert (some.gallery, some.bank, some.queries, some.followed) == (1000, 2000, 250, 2000)
    least = Extent.within(0)
    assert least.gallery == 256
    images = collection()
    looker = Looker(images, build_augmentation("crop-flip", 8), 0, Extent(gallery=20, bank=30, queries=5))
    assert (len(looker.gallery), len(looker.bank), len(looker.queries)) == (20, 30, 5)
    # what is looked at is the begin of what would be looked at otherwise
    assert torch.equal(looker.gallery, Looker(images, build_augmentation("crop-flip", 8), 0).gallery[:20])
