"""Feature maps are the stages of the very network: names, channels, sizes, values, gradients, and what has none."""

import pytest
import torch

from lookalike.core.errors import LookalikeError
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.encoders.feature_maps import PYRAMID, FeatureMaps


@pytest.mark.parametrize(
    ("name", "stem", "channels", "sides"),
    [
        ("resnet18", "large", [64, 128, 256, 512], [16, 8, 4, 2]),
        ("resnet18", "small", [64, 128, 256, 512], [64, 32, 16, 8]),
        ("resnet50", "large", [256, 512, 1024, 2048], [16, 8, 4, 2]),
        ("convnet", "small", [4, 8, 16, 32], [32, 16, 8, 4]),
    ],
)
def test_names_channels_and_sizes(name, stem, channels, sides):
    maps = FeatureMaps(build_encoder(EncoderSpec(name, 3, 32, 4, stem), 0)).eval()
    with torch.no_grad():
        found = maps(torch.zeros(1, 3, 64, 64))  # of another size than it was made for
    assert list(found) == ["0", "1", "2", "3"] == list(PYRAMID.values())
    assert [x.shape[1] for x in found.values()] == channels == maps.channels
    assert [tuple(x.shape[2:]) for x in found.values()] == [(side, side) for side in sides]
    assert not hasattr(maps, "out_channels")  # FasterRCNN asks for one number, and says so


@pytest.mark.parametrize("name", ["resnet18", "convnet"])
def test_the_last_map_is_what_the_features_are_made_of(name):
    encoder = build_encoder(EncoderSpec(name, 3, 32, 4, norm="group"), 0).eval()
    x = torch.randn(2, 3, 32, 32)
    maps = FeatureMaps(encoder, {"layer4": "out"})
    found = maps(x)
    assert list(found) == ["out"] and maps.out_channels == encoder.map_channels[-1]
    pooled = found["out"].mean((2, 3)) if name == "resnet18" else found["out"].flatten(1)
    assert torch.equal(pooled, encoder(x))
    found["out"].sum().backward()
    assert encoder.conv1.weight.grad is not None


def test_maps_come_in_the_order_of_stages_and_no_stage_is_computed_in_vain():
    encoder = build_encoder(EncoderSpec("convnet", 3, 32, 4), 0).eval()
    maps = FeatureMaps(encoder, {"layer3": "c4", "layer2": "c3"})
    assert maps.channels == [8, 16]
    encoder.layer4.register_forward_hook(lambda *_: pytest.fail("the last stage was computed"))
    assert list(maps(torch.zeros(1, 3, 32, 32))) == ["c3", "c4"]


def test_what_has_no_maps_says_so():
    with pytest.raises(LookalikeError, match="AlexNet has no feature maps to give: convnet and the resnets"):
        FeatureMaps(build_encoder(EncoderSpec("alexnet", 3, 32, 4), 0))
    with pytest.raises(LookalikeError, match="no stage 'layer5': valid: layer1, layer2, layer3, layer4"):
        FeatureMaps(build_encoder(EncoderSpec("convnet", 3, 32, 4), 0), {"layer5": "0"})
