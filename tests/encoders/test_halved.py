"""Averages of 2 x 2 parts, and a residual block, against PyTorch's plain operations: the same bits, gradients too."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.encoders.layers import halved
from lookalike.encoders.resnet import Basic, Bottleneck

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(8, 8), (2, 6), (7, 8), (5, 7), (1, 1)])
def test_as_average_pooling(size: tuple[int, int], layout: torch.memory_format, dtype: torch.dtype):
    x = random(3, 5, *size, dtype=dtype).contiguous(memory_format=layout).requires_grad_()
    twin = x.detach().clone().requires_grad_()
    y, expected = halved(x), F.avg_pool2d(twin, 2, ceil_mode=True)
    assert torch.equal(y, expected) and y.stride() == expected.stride()
    g = random(*y.shape, dtype=dtype, seed=1).contiguous(memory_format=layout)
    y.backward(g)
    expected.backward(g)
    assert torch.equal(x.grad, twin.grad)
    if min(size) > 1:  # of one pixel a side every layout is the same
        assert x.grad.is_contiguous(memory_format=layout)


def test_its_gradient_has_a_gradient():
    x = random(2, 3, 4, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: halved(x.square()), [x])


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize(("kind", "inputs"), [(Basic, 8), (Basic, 4), (Bottleneck, 32), (Bottleneck, 4)])
def test_a_block_adds_its_shortcut(kind: type[Basic] | type[Bottleneck], inputs: int, norm: str):
    torch.manual_seed(0)
    block = kind(inputs, 8, 1, norm)
    added, at_last = [], block.last.register_forward_hook(lambda _m, _x, y: added.append(y.clone()))
    x = random(6, inputs, 6, 6).requires_grad_()
    before, y = x.detach().clone(), block(x)
    at_last.remove()
    shortcut = x if block.downsample is None else block.downsample(x)
    assert torch.equal(y, F.relu(added[0] + shortcut)) and torch.equal(x, before)
    y.square().sum().backward(retain_graph=True)
    slope, x.grad = x.grad.clone(), None
    F.relu(added[0] + shortcut).square().sum().backward()
    assert torch.equal(slope, x.grad)
