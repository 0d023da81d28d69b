"""Views of training images: as many as the method says, of two sizes where it says so."""

from pathlib import Path

import pytest
import torch

from fakes import tiny_options
from lookalike import api
from lookalike.augment.recipes import build_augmentation
from lookalike.core import registry
from lookalike.engine.collection import TrainingImages
from lookalike.engine.views import Views, view_side
from lookalike.methods.find import find_method


def views(method: str = "deepcluster-v2", side: int = 16, **said: object) -> Views:
    """Views of digits for a tiny learner."""
    images = api.load_images("digits", side)
    kind = find_method(method)
    options = tiny_options(method, augment="digits", precision="float32", out=str(Path("nowhere")), **said)
    backbone = api.untrained_backbone(options, images, "cpu")
    return Views(kind(backbone.encoder, options, len(images), 10), backbone, options, images)


INDEX = torch.tensor([5, 1700, 31])


def made(of: Views, epoch: int) -> list[torch.Tensor]:
    """Views [V, B, C, S, S] of the images INDEX, one tensor for each size."""
    return [part().unflatten(0, (-1, len(INDEX))) for part in of.parts(epoch, INDEX)]


def test_one_size_where_there_are_no_small_crops():
    assert [tuple(x.shape) for x in made(views(), 0)] == [(2, 3, 1, 16, 16)]
    assert [tuple(x.shape) for x in made(views("supervised"), 0)] == [(1, 3, 1, 16, 16)]


def test_small_views_follow_and_are_small():
    of = views(small_crops=3, small_crop_size=10)
    assert [tuple(x.shape) for x in made(of, 0)] == [(2, 3, 1, 16, 16), (3, 3, 1, 10, 10)]
    assert [tuple(x.shape) for x in made(views(small_crops=1), 0)][1] == (1, 3, 1, 8, 8)


def test_small_views_leave_the_others_as_they_are():
    (plain,) = made(views(), 4)
    large, _ = made(views(small_crops=2), 4)
    assert torch.equal(plain, large)


def test_each_view_is_the_recipe_s_view_of_that_number():
    of = views(small_crops=2, small_crop_size=10, crop_min=0.4)
    large, small = made(of, 4)
    pixels, called = of.images.pixels[INDEX], of.images.order[INDEX]
    for augmentation, found, first in (
        (build_augmentation("digits", 16, 0.4), large, 0),
        (build_augmentation("digits", 10, 0.05, 0.4), small, 2),
    ):
        for i in range(2):
            expected = of.backbone.preprocess(augmentation(pixels, seed=0, epoch=4, index_B=called, view=first + i))
            torch.testing.assert_close(found[i], expected, rtol=0, atol=1e-6)


def test_smaller_views_are_the_recipe_s_of_that_size_and_looks_keep_the_images_own():
    assert [view_side(64, scale) for scale in (0.75, 0.6, 0.1, 1.0)] == [48, 40, 16, 64]
    assert [view_side(side, 0.9) for side in (28, 12)] == [24, 12]
    of = views("simclr", side=32, view_scale=0.5)
    (learned,) = made(of, 4)
    small = build_augmentation("digits", 16)(
        of.images.pixels[INDEX], seed=0, epoch=4, index_B=of.images.order[INDEX], view=1
    )
    assert tuple(learned.shape) == (2, 3, 1, 16, 16)
    torch.testing.assert_close(learned[1], of.backbone.preprocess(small), rtol=0, atol=1e-6)
    assert torch.equal(of.one(4, INDEX, 1), learned[1])
    seen = of.augmentation(of.images.pixels[INDEX], seed=0, epoch=0, index_B=INDEX, view=0)
    assert tuple(seen.shape) == (3, 1, 32, 32)
    assert [view_side(64, scale) for scale in (0.75, 0.6, 0.1, 1.0)] == [48, 40, 16, 64]
    assert [view_side(side, 0.9) for side in (28, 12)] == [24, 12]


def test_a_single_view_is_the_one_of_that_number():
    of = views()
    both = made(of, 4)[0]
    assert torch.equal(of.one(4, INDEX, 0), both[0])
    assert torch.equal(of.one(4, INDEX, 1), both[1])


def test_views_of_a_collection_are_those_of_its_rows_in_train_mode():
    of = views("deepcluster", norm="batch")
    method = find_method("deepcluster")(of.backbone.encoder, tiny_options("deepcluster", norm="batch"), 3)
    data = TrainingImages(method, of.backbone, of, INDEX, torch.tensor([1, 2, 3]))
    modes = []

    def flat(x: torch.Tensor) -> torch.Tensor:
        modes.append((method.training, torch.is_grad_enabled()))
        return x.flatten(1)

    assert data.n == 3
    assert data.labels_N is None
    method.train()
    assert torch.equal(data.view_outputs(flat, epoch=-1, view=1), of.one(-1, INDEX, 1).flatten(1))
    assert torch.equal(data.outputs(flat), of.backbone.preprocess(of.images.pixels[INDEX]).flatten(1))
    assert modes == [(True, False), (False, False)]
    assert method.training


def test_labels_are_handed_only_to_a_method_that_needs_them():
    of, labels = views("supervised"), torch.tensor([1, 2, 3])
    for name in registry.names("methods"):
        learner = find_method(name)(of.backbone.encoder, tiny_options(name), 3, 4)
        kept = TrainingImages(learner, of.backbone, of, INDEX, labels).labels_N
        assert (kept is not None) is learner.needs_labels


@pytest.mark.parametrize("images", [1, 2, 3])
def test_chunks_together_are_the_whole_batch_view_after_view(images: int):
    of = views(small_crops=3, small_crop_size=10)
    large, small = (view.flatten(0, 1) for view in made(of, 4))
    chunks = [part() for part in of.parts(4, INDEX, images)]
    sizes = {16: 2 * images, 10: 3 * images}
    assert all(len(chunk) <= sizes[chunk.shape[-1]] for chunk in chunks)
    for size, whole in ((16, large), (10, small)):
        together = torch.cat([chunk for chunk in chunks if chunk.shape[-1] == size])
        torch.testing.assert_close(together, whole, rtol=0, atol=1e-6)


def test_the_two_views_of_an_image_do_not_meet_in_a_chunk_of_a_large_batch():
    of, index = views(), torch.arange(64)
    starts = [part.args[-2:] for part in of.parts(0, index, 16)]
    assert starts == [(0, 32), (32, 64), (64, 96), (96, 128)]  # rows 0..63 are first views, 64..127 second ones
