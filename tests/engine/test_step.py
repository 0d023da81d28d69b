"""The cut: differentiating the loss at z and then the network gives the gradients of the whole graph."""

import pytest
import torch

from fakes import noise, tiny_options
from lookalike.core.comm import blocks
from lookalike.data.base import Images
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.step import forward_backward
from lookalike.methods.find import find_method


def backbone(norm: str = "group") -> FeatureExtractor:
    spec = EncoderSpec("convnet", channels=1, image_size=16, width=4, norm=norm)
    return FeatureExtractor(build_encoder(spec, 0).double(), spec, (0.5,), (0.25,), "float64")


def learner(of: FeatureExtractor, name: str = "simclr"):
    kind = find_method(name)
    return kind(of.encoder, tiny_options(name), 6, 5).double()


def test_views_of_two_sizes_are_one_batch_in_the_order_of_the_views():
    one, two = backbone(), backbone()
    cut, whole = learner(one), learner(two)
    large_VBCHW = noise(2 * 6, seed=1).unflatten(0, (2, 6))
    small_VBCHW = noise(3 * 6, seed=2)[:, :, :8, :8].unflatten(0, (3, 6))
    targets_BH = torch.arange(6)[:, None]
    parts = [lambda: large_VBCHW.flatten(0, 1), lambda: small_VBCHW.flatten(0, 1)]
    loss, z_BVP = forward_backward(cut, one, parts, targets_BH)
    z = torch.stack([whole(view) for view in (*large_VBCHW, *small_VBCHW)], 1)
    expected = whole.loss(z, targets_BH)
    expected.backward()
    assert z_BVP.shape == (6, 5, 16)
    torch.testing.assert_close(z_BVP, z.detach(), rtol=1e-12, atol=1e-14)
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    for p, q in zip(cut.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-10, atol=1e-14)


def test_gradients_are_added_to_what_is_there():
    of = backbone()
    method = learner(of)
    x_VBCHW = noise(2 * 4, seed=1).unflatten(0, (2, 4))
    forward_backward(method, of, [lambda: x_VBCHW.flatten(0, 1)], torch.arange(4)[:, None])
    once = [p.grad.clone() for p in method.parameters()]
    forward_backward(method, of, [lambda: x_VBCHW.flatten(0, 1)], torch.arange(4)[:, None])
    for g, p in zip(once, method.parameters(), strict=True):
        torch.testing.assert_close(p.grad, 2 * g)


def test_features_do_not_depend_on_who_is_asked_for_beside():
    of = backbone("batch")
    pixels = torch.randint(0, 256, (700, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Images(pixels, tuple(map(str, range(700))))
    together = of.features(images.pixels)
    assert torch.equal(together[:512], of.features(images.pixels[:512]))
    torch.testing.assert_close(together[600:], of.features(images.pixels[600:]))


def test_an_untrained_network_is_calibrated_on_a_copy():
    of = backbone("batch")
    before = {k: v.clone() for k, v in of.encoder.state_dict().items()}
    pixels = torch.randint(0, 256, (64, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    twin = of.with_recomputed_bn_stats(pixels)
    assert all(torch.equal(v, before[k]) for k, v in of.encoder.state_dict().items())
    expected = of.preprocess(pixels)
    stem_C = twin.encoder.conv1(expected).mean((0, 2, 3))
    torch.testing.assert_close(twin.encoder.bn1.running_mean, stem_C)


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(1, [1]), (512, [512]), (513, [513]), (514, [512, 2]), (1025, [512, 513]), (1797, [512] * 3 + [261])],
)
def test_blocks_cover_all_rows_and_none_is_of_one_row_beside_others(n: int, sizes: list[int]):
    found = blocks(n)
    assert [len(range(n)[block]) for block in found] == sizes
    assert [row for block in found for row in range(n)[block]] == list(range(n))


def test_no_image_has_no_blocks():
    assert blocks(0) == []


def test_an_untrained_network_is_calibrated_on_one_image_more_than_a_block():
    of = backbone("batch")
    pixels = torch.randint(0, 256, (513, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert of.with_recomputed_bn_stats(pixels).features(pixels).isfinite().all()
