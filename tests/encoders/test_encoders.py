"""Encoders have the published shapes, counts and names, reproducible weights, and strict loading."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lookalike.core.errors import LookalikeError
from lookalike.encoders import Encoder, EncoderSpec, StagedEncoder, build_encoder, encoder_names
from lookalike.encoders.base import width_of
from lookalike.encoders.heads import projection_head
from lookalike.encoders.weights import fit_weights, read_weights
from make_keys import KEYS, torchvision_keys


def small(name: str = "convnet", **options) -> EncoderSpec:
    """A spec for 32-pixel colour images, with a convnet of 4 channels."""
    return EncoderSpec(name, **({"channels": 3, "image_size": 32, "width": 4} | options))


def meta(spec: EncoderSpec) -> nn.Module:
    """The architecture alone, without memory for weights."""
    with torch.device("meta"):
        return build_encoder(spec, 0)


def size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def weights(encoder: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights for an encoder, of the shapes and types that fit."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(t.shape, generator=generator) if t.is_floating_point() else torch.tensor(3)
        for name, t in encoder.state_dict().items()
    }


def assert_holds(encoder: nn.Module, expected: dict[str, torch.Tensor]) -> None:
    state = encoder.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor), name


# architecture


@pytest.mark.parametrize("name", encoder_names())
def test_every_encoder_keeps_the_protocol(name):
    encoder = meta(small(name, image_size=64))
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, StagedEncoder) is (name != "alexnet")
    assert encoder(torch.zeros(2, 3, 64, 64, device="meta")).shape == (2, encoder.out_features)


def test_a_network_that_is_wrapped_knows_its_width():
    class Wrapped(nn.Module):  # as torch.compile wraps
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def __getattr__(self, name: str):
            return self._modules["network"] if name == "network" else getattr(self._modules["network"], name)

    assert width_of(Wrapped(meta(small()))) == meta(small()).out_features


def test_a_module_without_a_width_is_no_encoder_yet():
    assert not isinstance(nn.Flatten(), Encoder)


@pytest.mark.parametrize(
    ("name", "image_size", "count"),
    [("resnet18", 32, 11_168_832), ("resnet50", 32, 23_500_352), ("resnet50", 224, 23_508_032)],
)
def test_parameter_counts(name, image_size, count):
    assert size(meta(small(name, image_size=image_size))) == count


@pytest.mark.parametrize(("width", "count"), [(16, 0.3e6), (32, 1.2e6)])
def test_convnet_is_as_small_as_it_says(width, count):
    assert size(meta(small(width=width))) == pytest.approx(count, rel=0.05)


def test_resnet18_keeps_small_images_at_full_resolution():
    encoder = build_encoder(small("resnet18"), 0).eval()
    shapes = {}
    for name in ("maxpool", "layer1", "layer4"):
        encoder.get_submodule(name).register_forward_hook(
            lambda _m, _x, out, name=name: shapes.update({name: list(out.shape[1:])})
        )
    with torch.no_grad():
        assert encoder(torch.zeros(1, 3, 32, 32)).shape == (1, 512)
    assert shapes == {"maxpool": [64, 32, 32], "layer1": [64, 32, 32], "layer4": [512, 4, 4]}


@pytest.mark.parametrize("name", ["convnet", "resnet18", "resnet34", "resnet50"])
@pytest.mark.parametrize("channels", [1, 5])
def test_features_have_the_promised_width(name, channels):
    encoder = meta(small(name, channels=channels))
    expected = {"convnet": 128, "resnet18": 512, "resnet34": 512, "resnet50": 2048}[name]
    assert encoder.out_features == expected
    assert encoder(torch.zeros(2, channels, 32, 32, device="meta")).shape == (2, expected)


@pytest.mark.parametrize(
    ("stem", "image_size", "is_small"),
    [("auto", 64, True), ("auto", 65, False), ("small", 224, True), ("large", 28, False)],
)
def test_the_stem_follows_the_image_size_unless_told(stem, image_size, is_small):
    encoder = meta(small("resnet18", stem=stem, image_size=image_size))
    assert encoder.conv1.kernel_size == ((3, 3) if is_small else (7, 7))
    assert isinstance(encoder.maxpool, nn.Identity if is_small else nn.MaxPool2d)


@pytest.mark.parametrize(
    ("name", "last", "blocks"), [("convnet", "none", 0), ("resnet18", "bn2", 8), ("resnet50", "bn3", 16)]
)
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_residual_branches_of_a_resnet_start_at_zero(name, last, blocks, norm):
    encoder = build_encoder(small(name, norm=norm), 0)
    gammas = {
        name: p for name, p in encoder.named_parameters() if p.ndim == 1 and name.endswith("weight") and p.any() == 0
    }
    assert len(gammas) == blocks
    assert all(name.startswith("layer") and name.endswith(f"{last}.weight") for name in gammas)


def test_convolutions_have_he_initialisation():
    encoder = build_encoder(small("resnet18"), 0)
    for name in ("layer3.0.conv1", "layer4.0.conv1"):
        weight = encoder.get_submodule(name).weight
        assert weight.std().item() == pytest.approx((2 / (weight.shape[0] * 9)) ** 0.5, rel=0.03)  # by fan out


def test_the_stride_of_a_bottleneck_is_in_its_middle():
    block = meta(small("resnet50")).get_submodule("layer2.0")
    assert [conv.stride for conv in (block.conv1, block.conv2, block.conv3)] == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize("name", ["convnet", "resnet18", "resnet50"])
def test_group_norm_leaves_no_batch_norm(name):
    modules = list(meta(small(name, norm="group")).modules())
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in modules)
    assert any(isinstance(m, nn.GroupNorm) for m in modules)


def test_with_group_norm_features_do_not_depend_on_company():
    encoder = build_encoder(small(norm="group"), 0)
    x_BCHW = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(encoder(x_BCHW)[:2], encoder(x_BCHW[:2]), atol=1e-6)


# the names of torchvision


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_names_and_shapes_are_those_of_torchvision(name):
    ours = {key: list(t.shape) for key, t in meta(small(name, image_size=224)).state_dict().items()}
    assert ours == json.loads(KEYS.read_text())[name]


def test_the_committed_names_are_still_those_of_torchvision():
    try:
        keys = torchvision_keys()
    except Exception as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")
    assert json.loads(KEYS.read_text()) == keys


# weights from a seed


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = build_encoder(small(), 5).state_dict()
    torch.manual_seed(2)
    assert_holds(build_encoder(small(), 5), first)
    other = build_encoder(small(), 6).state_dict()
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_building_leaves_the_global_generator_untouched():
    before = torch.get_rng_state()
    build_encoder(small(), 5)
    projection_head(8, depth=2, width=None, out_features=4, norm=True, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_name_can_be_built():
    assert encoder_names() == ["alexnet", "convnet", "resnet18", "resnet34", "resnet50"]
    for name in encoder_names():
        assert size(meta(small(name))) > 0


@pytest.mark.parametrize(("name", "near"), [("resnet-50", "resnet50"), ("resnet", "resnet"), ("convnet2", "convnet")])
def test_an_unknown_name_offers_the_nearest(name, near):
    with pytest.raises(LookalikeError, match=rf"unknown encoder '{name}': did you mean '{near}"):
        build_encoder(small(name), 0)


# the head


def test_the_two_layer_head_has_the_published_size():
    head = projection_head(512, depth=2, width=None, out_features=128, norm=True, seed=0)
    assert size(head) == 512 * 512 + 2 * 512 + 512 * 128 + 128 == 328_832
    assert [type(m) for m in head] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]


@pytest.mark.parametrize(
    ("depth", "width", "norm", "shapes"),
    [
        (1, None, True, [(4, 8)]),
        (2, None, False, [(8, 8), (8,), (4, 8)]),
        (3, 6, False, [(6, 8), (6,), (6, 6), (6,), (4, 6)]),
    ],
)
def test_heads_of_other_depths(depth, width, norm, shapes):
    head = projection_head(8, depth=depth, width=width, out_features=4, norm=norm, seed=0)
    assert [tuple(p.shape) for p in head.parameters()] == [*shapes, (4,)]
    assert head(torch.ones(2, 8)).shape == (2, 4)


def test_head_weights_depend_on_the_seed_alone():
    heads = [projection_head(8, depth=2, width=None, out_features=4, norm=True, seed=s) for s in (3, 3, 4)]
    assert_holds(heads[1], heads[0].state_dict())
    assert not torch.equal(heads[0][0].weight, heads[2][0].weight)


# weights from a file


def test_safetensors_load_strictly(tmp_path):
    encoder = build_encoder(small(), 0)
    expected = weights(encoder)
    save_file(expected, tmp_path / "w.safetensors")
    fit_weights(encoder, read_weights(tmp_path / "w.safetensors"), "FILE")
    assert_holds(encoder, expected)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "state_dict_ema", "model_ema"])
@pytest.mark.parametrize("prefix", ["", "module.", "encoder.", "backbone.", "module._orig_mod.encoder."])
def test_wrappers_prefixes_and_classifiers_are_taken_off(tmp_path, wrapper, prefix):
    encoder = build_encoder(small(), 0)
    expected = weights(encoder)
    saved = {prefix + name: t for name, t in expected.items()} | {prefix + "fc.weight": torch.ones(10, 32)}
    torch.save({wrapper: saved, "epoch": 7} if wrapper else saved, tmp_path / "w.pt")
    fit_weights(encoder, read_weights(tmp_path / "w.pt"), "FILE")
    assert_holds(encoder, expected)


@pytest.mark.parametrize("name", ["fc", "classifier", "head"])
def test_each_name_of_a_classifier_is_dropped(tmp_path, name):
    encoder = build_encoder(small(), 0)
    expected = weights(encoder)
    save_file(expected | {f"{name}.weight": torch.ones(3), f"{name}.bias": torch.ones(1)}, tmp_path / "w.safetensors")
    fit_weights(encoder, read_weights(tmp_path / "w.safetensors"), "FILE")
    assert_holds(encoder, expected)


def test_half_precision_weights_load_as_float32(tmp_path):
    encoder = build_encoder(small(), 0)
    expected = {name: t.half() if t.is_floating_point() else t for name, t in weights(encoder).items()}
    save_file(expected, tmp_path / "w.safetensors")
    fit_weights(encoder, read_weights(tmp_path / "w.safetensors"), "FILE")
    assert encoder.conv1.weight.dtype == torch.float32
    assert torch.equal(encoder.conv1.weight, expected["conv1.weight"].float())


def test_old_files_without_the_counter_of_batches_load(tmp_path):
    encoder = build_encoder(small(), 0)
    expected = weights(encoder)
    save_file({n: t for n, t in expected.items() if not n.endswith("num_batches_tracked")}, tmp_path / "w.safetensors")
    fit_weights(encoder, read_weights(tmp_path / "w.safetensors"), "FILE")
    assert torch.equal(encoder.layer4.bn2.running_var, expected["layer4.bn2.running_var"])


def test_every_tensor_that_does_not_fit_is_named_and_nothing_is_loaded(tmp_path):
    encoder = build_encoder(small(), 0)
    before = {name: t.clone() for name, t in encoder.state_dict().items()}
    saved = weights(encoder)
    del saved["bn1.bias"]
    saved["conv1.weight"] = torch.ones(4, 1, 4, 4)
    saved["layer9.conv1.weight"] = torch.ones(2, 2)
    save_file(saved, tmp_path / "w.safetensors")
    with pytest.raises(LookalikeError) as caught:
        fit_weights(encoder, read_weights(tmp_path / "w.safetensors"), "FILE")
    message = str(caught.value)
    assert "does not fit ConvNet: 3 tensors differ" in message
    assert "missing bn1.bias [4]" in message
    assert "left over layer9.conv1.weight [2, 2]" in message
    assert "conv1.weight is [4, 1, 4, 4], the network wants [4, 3, 4, 4]" in message
    assert_holds(encoder, before)


def test_a_long_list_of_misfits_is_cut(tmp_path):
    encoder = build_encoder(small(), 0)
    save_file({"weight": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(LookalikeError, match=r"- and \d+ more") as caught:
        fit_weights(encoder, read_weights(tmp_path / "w.safetensors"), "FILE")
    assert len(str(caught.value).splitlines()) == 13


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", ["torch", "pickle"])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, save):
    victim, path = tmp_path / "victim", tmp_path / "w.pt"
    content = {"conv1.weight": torch.ones(1), "extra": Malicious(victim)}
    if save == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(LookalikeError, match="holds tensors only"):
        read_weights(path)
    assert not victim.exists()
    if save == "torch":  # the trap is live: an ordinary load would have sprung it
        torch.load(path, weights_only=False)
        assert victim.exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LookalikeError, match=r"none\.pt: there is no such file"):
        read_weights(tmp_path / "none.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"\x89PNG not weights", b"0" * 40])
def test_files_of_another_kind_are_named(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(LookalikeError, match=rf"w{suffix} cannot be read as weights: \w"):
        read_weights(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_short_is_named_wherever_it_was_cut(tmp_path, zipped):
    path = tmp_path / "w.pt"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(LookalikeError, match="cannot be read as weights"):
            read_weights(path)


@pytest.mark.parametrize("content", [[torch.ones(2)], {"a": 1}, {0: torch.ones(2)}, torch.ones(2)])
def test_files_without_a_dictionary_of_tensors_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(LookalikeError, match="holds no dictionary of tensors"):
        read_weights(tmp_path / "w.pt")
