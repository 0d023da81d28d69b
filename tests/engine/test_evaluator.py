"""A look puts each image through the network once, whoever else wants its features."""

import torch
from torch import Tensor

from lookalike.augment.recipes import build_augmentation
from lookalike.data.base import Images
from lookalike.data.padded import CenterCrops
from lookalike.engine.evaluator import Evaluator, FeatureCache
from lookalike.engine.extent import USUAL, Extent


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
    cache = FeatureCache(features, images.center_crops, torch.tensor([7, 3, 80, 3]))
    assert features.asked == 3
    rows = torch.tensor([80, 3, 7, 7])
    assert torch.equal(cache(rows), images.center_crops[rows].float().flatten(1))
    assert features.asked == 3


def test_a_look_asks_for_each_image_and_each_view_once():
    images, features = collection(), Counting()
    evaluator = Evaluator(images, build_augmentation("crop-flip", 8), 0)
    look = evaluator.evaluate(evaluator.cache(features, beside=torch.arange(90)))
    assert features.asked == 90 + len(evaluator.views)
    assert look == evaluator.evaluate(evaluator.cache(Counting()))  # what others want to know changes nothing
    assert look.knn is not None
    assert look.knn > 0.6  # of three classes that differ in brightness
    assert len(set(evaluator.bank.tolist()) & set(evaluator.queries.tolist())) == 0


def test_retrieval_alone_is_that_of_the_look():
    evaluator = Evaluator(collection(), build_augmentation("crop-flip", 8), 0)
    assert evaluator.retrieval(Counting()) == evaluator.evaluate(evaluator.cache(Counting())).health.retrieval


def test_without_labels_there_is_no_knn():
    images = collection()
    evaluator = Evaluator(Images(images.center_crops[:], images.paths), build_augmentation("crop-flip", 8), 0)
    assert evaluator.evaluate(evaluator.cache(Counting())).knn is None


def test_looks_of_a_run_with_little_time_take_fewer_images():
    assert Extent.within(100_000) == USUAL
    some = Extent.within(6000)
    assert (some.gallery, some.bank, some.queries, some.followed) == (1000, 2000, 250, 2000)
    least = Extent.within(0)
    assert least.gallery == 256
    images = collection()
    evaluator = Evaluator(images, build_augmentation("crop-flip", 8), 0, Extent(gallery=20, bank=30, queries=5))
    assert (len(evaluator.gallery), len(evaluator.bank), len(evaluator.queries)) == (20, 30, 5)
    # what is looked at is the begin of what would be looked at otherwise
    assert torch.equal(evaluator.gallery, Evaluator(images, build_augmentation("crop-flip", 8), 0).gallery[:20])
