"""The cut: differentiating the loss at z and then the network gives the gradients of the whole graph."""

import pytest
import torch

from lookalike.core import registry
from lookalike.data.base import Images
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.backbone import Backbone
from lookalike.engine.step import forward_backward


def backbone(norm: str = "group") -> Backbone:
    spec = EncoderSpec("convnet", channels=1, image_size=16, width=4, norm=norm)
    return Backbone(build_encoder(spec, 0).double(), spec, (0.5,), (0.25,), "float64")


def learner(of: Backbone):
    options = registry.find("methods", "simclr", "method").Options(norm="group", head_size=8)
    return registry.find("methods", "simclr", "method").Learner(of.encoder, options).double()


def test_equals_differentiating_the_whole_graph():
    one, two = backbone(), backbone()
    cut, whole = learner(one), learner(two)
    x_VBCHW = torch.rand(2, 6, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets_BH = torch.arange(6)[:, None]
    loss, z_BVP = forward_backward(cut, one, x_VBCHW, targets_BH)
    z = whole.embed(x_VBCHW.flatten(0, 1)).unflatten(0, (2, 6)).transpose(0, 1)
    expected = whole.loss(z, targets_BH)
    expected.backward()
    assert torch.equal(z_BVP, z)
    assert float(loss) == pytest.approx(expected.item(), rel=1e-12)
    for (name, p), q in zip(cut.named_parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-10, atol=1e-14, msg=name)


def test_gradients_are_added_to_what_is_there():
    of = backbone()
    method = learner(of)
    x_VBCHW = torch.rand(2, 4, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    forward_backward(method, of, x_VBCHW, torch.arange(4)[:, None])
    once = [p.grad.clone() for p in method.parameters()]
    forward_backward(method, of, x_VBCHW, torch.arange(4)[:, None])
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
    twin = of.calibrated(pixels)
    assert all(torch.equal(v, before[k]) for k, v in of.encoder.state_dict().items())
    expected = of.prepare(pixels)
    stem_C = twin.encoder.conv1(expected).mean((0, 2, 3))
    torch.testing.assert_close(twin.encoder.bn1.running_mean, stem_C)
