"""AlexNet has the published shapes and start, sees edges only, and drops the same units when resumed."""

import copy

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from lookalike.core.errors import LookalikeError
from lookalike.encoders.alexnet import AlexNet, Dropout, Sobel
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.encoders.weights import fit_weights, read_weights


def alexnet(image_size: int = 32, channels: int = 3, seed: int = 0, **options) -> AlexNet:
    return build_encoder(EncoderSpec("alexnet", channels, image_size, **({"width": 4} | options)), seed)


def meta(image_size: int, channels: int = 3, **options) -> AlexNet:
    """The architecture alone, without memory for weights."""
    with torch.device("meta"):
        return alexnet(image_size, channels, **options)


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def shapes(encoder: AlexNet, names: list[str], x_BCHW: Tensor) -> dict[str, list[list[int]]]:
    """Output shapes without the batch of the modules `names`, in the order of their calls."""
    found: dict[str, list[list[int]]] = {name: [] for name in names}
    for name in names:
        encoder.get_submodule(name).register_forward_hook(
            lambda _m, _x, out, name=name: found[name].append(list(out.shape[1:]))
        )
    encoder(x_BCHW)
    return found


@pytest.fixture(scope="module")
def large() -> AlexNet:
    return alexnet(224).eval()


# the filters


def test_sobel_sees_nothing_in_a_constant_image():
    edges = Sobel()(torch.full((2, 3, 8, 8), 5.0))
    assert edges.shape == (2, 2, 8, 8)
    assert edges[:, :, 1:-1, 1:-1].abs().max() == 0
    assert edges[:, 0, :, 0].abs().min() > 0  # the border is padded with zeros


def test_sobel_of_ramps():
    ramp_W = torch.arange(8.0)
    inner = slice(1, -1)
    across = Sobel()(ramp_W.expand(1, 3, 8, 8))[0, :, inner, inner]
    assert (across[0].abs() == 8).all() and (across[1] == 0).all()
    down = Sobel()(ramp_W[:, None].expand(1, 3, 8, 8))[0, :, inner, inner]
    assert (down[0] == 0).all() and (down[1].abs() == 8).all()


def test_sobel_has_the_published_kernels_and_mean_of_channels():
    kernel = [[[1, 0, -1], [2, 0, -2], [1, 0, -1]], [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]]
    x = images(2, 3, 9, 9)
    grey = F.conv2d(x, torch.full((1, 3, 1, 1), 1 / 3))
    expected = F.conv2d(grey, torch.tensor(kernel, dtype=torch.float32)[:, None], padding=1)
    torch.testing.assert_close(Sobel()(x), expected)
    torch.testing.assert_close(Sobel()(grey), expected)  # one channel is grey already


def test_sobel_is_saved_and_not_trained():
    encoder = alexnet()
    assert "sobel.kernel" in encoder.state_dict()
    assert not any("sobel" in name for name, _ in encoder.named_parameters())
    before = {name: t.clone() for name, t in encoder.state_dict().items()}
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1, weight_decay=0.1)
    encoder(images(8, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {name for name, t in encoder.state_dict().items() if not torch.equal(t, before[name])}
    assert {f"{layer}.weight" for layer in ("conv1", "conv5", "fc6", "fc7")} <= changed
    assert torch.equal(encoder.sobel.kernel, Sobel().kernel)


# architecture


def test_parameter_count_at_224():
    assert sum(p.numel() for p in meta(224).parameters() if p.requires_grad) == 58_272_480


def test_shapes_at_224():
    convolutions = [f"conv{i}" for i in range(1, 6)]
    encoder = meta(224)
    found = shapes(encoder, ["sobel", *convolutions, "maxpool", "fc6", "fc7"], torch.zeros(2, 3, 224, 224).to("meta"))
    assert found["sobel"] == [[2, 224, 224]]
    sides = [(96, 55), (256, 27), (384, 13), (384, 13), (256, 13)]
    assert [found[name][0] for name in convolutions] == [[c, side, side] for c, side in sides]
    assert found["maxpool"] == [[96, 27, 27], [256, 13, 13], [256, 6, 6]]
    assert found["fc6"] == found["fc7"] == [[4096]]
    assert encoder.fc6.in_features == 9216
    assert encoder.out_features == 4096


def test_shapes_of_the_small_network():
    convolutions = [f"conv{i}" for i in range(1, 6)]
    encoder = meta(32, width=8)
    found = shapes(encoder, [*convolutions, "maxpool"], torch.zeros(2, 3, 32, 32, device="meta"))
    sides = [(8, 16), (24, 8), (48, 4), (32, 4), (32, 4)]
    assert [found[name][0] for name in convolutions] == [[c, side, side] for c, side in sides]
    assert found["maxpool"] == [[8, 8, 8], [24, 4, 4]]
    assert (encoder.fc6.in_features, encoder.fc6.out_features, encoder.fc7.out_features) == (128, 128, 128)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    ("image_size", "stem", "size"),
    [
        *((side, "auto", 64) for side in (16, 28, 37, 64)),
        (96, "small", 64),
        (63, "large", 4096),
        *((side, "auto", 4096) for side in (65, 96, 300)),
    ],
)
def test_features_have_the_promised_width(image_size, stem, size, channels):
    encoder = meta(image_size, channels, stem=stem)
    assert encoder.out_features == size
    assert encoder(torch.zeros(2, channels, image_size, image_size, device="meta")).shape == (2, size)


def test_images_too_small_for_the_large_network_are_refused():
    with pytest.raises(LookalikeError, match="at least, these have 62; take --stem small"):
        meta(62, stem="large")


@pytest.mark.parametrize("image_size", [32, 224])
def test_group_norm_leaves_no_batch_norm(image_size):
    modules = list(meta(image_size, norm="group").modules())
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in modules)
    assert sum(isinstance(m, nn.GroupNorm) for m in modules) == 5


def test_the_start_is_the_published_one(large: AlexNet):
    for layer in (large.conv1, large.conv2, large.conv3, large.conv4, large.conv5):
        fan_out = layer.out_channels * layer.kernel_size[0] ** 2
        assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
        assert layer.bias.any() == 0
    for linear in (large.fc6, large.fc7):
        assert linear.weight.std().item() == pytest.approx(0.01, rel=0.01)
        assert linear.bias.any() == 0


def test_features_of_the_small_network_start_at_the_size_of_their_inputs():
    encoder = alexnet(width=32, norm="group").eval()
    sizes = []
    encoder.fc6.register_forward_pre_hook(lambda _m, x: sizes.append(x[0].std().item()))
    features = encoder(images(16, 3, 32, 32))
    assert 0.3 * sizes[0] < features.std().item() < 3 * sizes[0]


def test_features_end_before_the_last_relu(large: AlexNet):
    for encoder, side in ((large, 224), (alexnet().eval(), 32)):
        assert encoder.ends_before_relu
        with torch.no_grad():
            assert (encoder(images(2, 3, side, side)) < 0).float().mean() > 0.2


def test_features_see_edges_and_no_colour():
    encoder = alexnet(norm="group").eval()
    x = images(2, 3, 32, 32)
    recoloured = x + torch.tensor([0.5, -0.25, -0.25])[:, None, None]  # the mean of the channels stays
    torch.testing.assert_close(encoder(recoloured), encoder(x), rtol=0, atol=1e-5)
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(encoder(grey.expand(2, 3, 32, 32)), encoder(x), rtol=0, atol=1e-5)
    assert (encoder(x.flip(3)) - encoder(x)).abs().max() > 0.01


def test_features_do_not_depend_on_the_order_of_memory():
    encoder, x = alexnet(64).eval(), images(4, 3, 64, 64)
    expected = encoder(x)
    turned = copy.deepcopy(encoder).to(memory_format=torch.channels_last)
    result = turned(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_weights_load_strictly_and_completely(tmp_path):
    first, second = alexnet(seed=0), alexnet(seed=1)
    first(images(4, 3, 32, 32))  # the counters of dropout move as well
    save_file(first.state_dict(), tmp_path / "w.safetensors")
    fit_weights(second, read_weights(tmp_path / "w.safetensors"), "FILE")
    assert all(torch.equal(t, first.state_dict()[name]) for name, t in second.state_dict().items())


# dropout


def test_dropout_drops_the_share_it_says_and_keeps_the_mean():
    y = Dropout(0.3, "x")(torch.ones(1000, 100))
    assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert (y[y != 0] == 1 / (1 - 0.3)).all()
    dropped = (y == 0).float()
    for axis in (0, 1):  # neither units nor rows are favoured
        assert dropped.mean(axis).std().item() == pytest.approx((0.21 / y.shape[axis]) ** 0.5, rel=0.35)


def test_dropout_passes_the_gradient_of_what_it_kept():
    x = torch.ones(50, 20, requires_grad=True)
    y = Dropout(0.5, "x")(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dropout_keeps_the_precision(dtype):
    layer = Dropout(0.5, "x").to(dtype)
    assert layer(torch.ones(4, 5, dtype=dtype)).dtype == dtype
    assert layer.calls.dtype == torch.int64


def test_dropout_does_nothing_outside_of_training():
    layer, x = Dropout(0.5, "x").eval(), images(10, 10)
    assert torch.equal(layer(x), x)
    assert layer.calls == 0
    assert torch.equal(Dropout(0.0, "x")(x), x)


def test_masks_differ_between_calls_and_layers_and_nothing_else_matters():
    ones = torch.ones(64, 32)
    layer, other = Dropout(0.5, "x"), Dropout(0.5, "y")
    first, second = layer(ones), layer(ones)
    shifted = [(first.flatten()[k:], second.flatten()[:-k]) for k in (1, 2, 4, 8, 32)]
    for a, b in ((first, second), (first, other(ones)), *shifted):
        assert (a == b).float().mean().item() == pytest.approx(0.5, abs=0.06)
    state = torch.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(Dropout(0.5, "x")(ones), first)
    of_another_process = Dropout(0.5, "x")
    of_another_process.stream = 1
    assert not torch.equal(of_another_process(ones), first)
    torch.manual_seed(5)
    Dropout(0.5, "x")(ones)
    untouched = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), untouched)
    torch.set_rng_state(state)


def test_a_network_in_training_drops_half_before_both_linear_layers():
    encoder, shares = alexnet(width=32), []
    for layer in (encoder.fc6, encoder.fc7):
        layer.register_forward_pre_hook(lambda _m, x: shares.append((x[0] == 0).float().mean().item()))
    x = images(8, 3, 32, 32)
    encoder(x)
    encoder.eval()(x)
    assert shares[0] == pytest.approx(0.5 + 0.5 * shares[2], abs=0.05)
    assert shares[1] == pytest.approx(0.75, abs=0.07)  # half of what ReLU left
    assert shares[3] == pytest.approx(0.5, abs=0.07)


def train(encoder: AlexNet, steps: range) -> None:
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.01)
    for step in steps:
        optimizer.zero_grad()
        encoder(images(8, 3, 16, 16, seed=step)).square().mean().backward()
        optimizer.step()


def test_training_resumed_from_the_state_dict_goes_on_to_the_same_bits():
    straight = alexnet(16)
    train(straight, range(3))
    saved = copy.deepcopy(straight.state_dict())
    train(straight, range(3, 6))
    expected = straight.state_dict()

    def resumed(state: dict[str, Tensor]) -> dict[str, Tensor]:
        encoder = alexnet(16, seed=1)
        encoder.load_state_dict(state)
        train(encoder, range(3, 6))
        return encoder.state_dict()

    assert all(torch.equal(t, expected[name]) for name, t in resumed(saved).items())
    for name in ("dropout6.calls", "dropout7.calls"):  # without either counter it would not
        assert saved[name] == 3
        forgetful = resumed(saved | {name: torch.tensor(0)})
        assert not torch.equal(forgetful["fc7.weight"], expected["fc7.weight"])
