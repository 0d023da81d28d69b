"""torchvision's detection and segmentation models run on a run's feature maps, and on the exported weights."""

import runpy
from collections import OrderedDict

import pytest
import torch
from torch import nn

import lookalike
from lookalike.encoders.base import EncoderSpec
from lookalike.encoders.feature_maps import PYRAMID
from lookalike.export import base
from lookalike.run import Run
from plain_ops import nms, plain_torchvision


@pytest.fixture
def torchvision(monkeypatch):
    return plain_torchvision(monkeypatch)


def detector(backbone: nn.Module, run: Run) -> nn.Module:
    from torchvision.models.detection import FasterRCNN

    mean, std = run.backbone.mean, run.backbone.std
    return FasterRCNN(
        backbone,
        num_classes=3,
        image_mean=mean,
        image_std=std,
        min_size=64,
        max_size=64,
        rpn_pre_nms_top_n_test=50,
        rpn_post_nms_top_n_test=10,
        rpn_pre_nms_top_n_train=50,
        rpn_post_nms_top_n_train=10,
    )


def pyramid(maps: nn.Module) -> nn.Module:
    from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

    fpn = FeaturePyramidNetwork(maps.channels, 16, LastLevelMaxPool())
    backbone = nn.Sequential(OrderedDict(body=maps, fpn=fpn))
    backbone.out_channels = 16
    return backbone


@pytest.mark.parametrize("spec", [EncoderSpec("resnet18", 3, 32, stem="large"), EncoderSpec("convnet", 3, 32, 4)])
def test_faster_rcnn_learns_from_and_detects_on_the_maps(torchvision, spec, holding):
    run = lookalike.load(holding(spec), "cpu")
    maps = run.feature_maps()
    model = detector(pyramid(maps), run)
    images = [torch.rand(3, 64, 48), torch.rand(3, 40, 64)]
    boxes = {"boxes": torch.tensor([[4.0, 4.0, 30.0, 30.0]]), "labels": torch.tensor([1])}
    losses = model(images, [boxes, boxes])
    sum(losses.values()).backward()
    assert maps.encoder.conv1.weight.grad.abs().sum() > 0
    assert all(p.grad is None for p in run.encoder.parameters())  # the run's own network is left alone
    found = model.eval()(images)
    assert [set(one) for one in found] == [{"boxes", "labels", "scores"}] * 2


def test_the_exported_weights_make_the_same_maps_through_torchvision_s_own_path(torchvision, holding):
    from torchvision.models._utils import IntermediateLayerGetter

    folder = holding(EncoderSpec("resnet18", 3, 32, stem="large"))
    loaded = runpy.run_path(str(base.export(folder, "torchvision", threads=1).folder / "load.py"))
    run = lookalike.load(folder, "cpu")
    maps = run.feature_maps()
    theirs = IntermediateLayerGetter(loaded["model"], PYRAMID)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        one = maps.double()(run.backbone.preprocess(images).double())
        other = theirs.double()(loaded["prepare"](images).double())
    assert list(one) == list(other)
    assert all(torch.allclose(one[name], other[name], rtol=0, atol=1e-5) for name in one)


def test_one_map_is_a_backbone_as_it_stands(torchvision, holding):
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.segmentation.fcn import FCN, FCNHead

    run = lookalike.load(holding(EncoderSpec("convnet", 3, 32, 4)), "cpu")
    maps = run.feature_maps({"layer4": "0"})
    model = detector(maps, run)
    model.rpn.anchor_generator = AnchorGenerator(((32,),), ((0.5, 1.0, 2.0),))
    assert model.eval()([torch.rand(3, 64, 64)])[0]["boxes"].shape[1] == 4

    segmenter = FCN(run.feature_maps({"layer4": "out"}), FCNHead(maps.out_channels, 5)).eval()
    with torch.no_grad():
        assert segmenter(torch.rand(2, 3, 64, 64))["out"].shape == (2, 5, 64, 64)


def test_the_stand_in_for_nms_is_nms():
    boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 4]], dtype=torch.float32)
    assert nms(boxes, torch.tensor([0.5, 0.9, 0.1, 0.2]), 0.5).tolist() == [1, 3, 2]
    assert nms(boxes, torch.tensor([0.5, 0.9, 0.1, 0.2]), 0.3).tolist() == [1, 2]
