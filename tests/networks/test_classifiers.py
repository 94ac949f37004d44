"""The classifiers: sizes as published, timm's results, weights from where they say."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn.functional import interpolate, linear

from helpers.networks import (
    build,
    build_without_memory,
    cut_off_hub,
    n_weights,
    patches,
    stand_in_for_hub,
)
from microtome.errors import InputError
from microtome.networks.classifiers import PatchClassifier, least_side_px

# Published numbers of weights with ImageNet's thousand classes, inputs of the last layer, least
# sides in px.
PUBLISHED = {
    "resnet101": (44_549_160, 2048, 64),
    "vgg16": (138_357_544, 4096, 64),
    "vgg19": (143_667_240, 4096, 64),
    "densenet121": (7_978_856, 1024, 64),
    "inception_v3": (23_834_568, 2048, 75),
    "resnet50": (25_557_032, 2048, 32),
    "efficientnet_b0": (5_288_548, 1280, 32),
}


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_size_of_a_network_and_of_its_patches(architecture):
    """As many weights as published, but for two classes; one px less than the least is refused."""
    model = build_without_memory(architecture)
    published, features, side = PUBLISHED[architecture]
    assert n_weights(model) == published - (features + 1) * 1000 + (features + 1) * 2
    assert least_side_px(architecture) == side
    for size in ((side - 1, side), (side, side - 1)):
        with pytest.raises(InputError, match=f"{side - 1}.* must be {side} px or more"):
            model(torch.empty(1, 3, *size, device="meta"))


def test_vgg_of_224_px_is_the_original():
    """Its last 7 x 7 features are flattened and go through three dense layers."""
    model = build("vgg19").eval()
    images = patches(1, 224)
    with torch.no_grad():
        x = model.network.features(model.normalization(images))
        assert x.shape == (1, 512, 7, 7)
        head = model.network.pre_logits
        for dense in (head.fc1, head.fc2):
            x = linear(x.flatten(1), dense.weight.flatten(1), dense.bias).relu()
        expected = linear(x, model.network.head.fc.weight, model.network.head.fc.bias)
        torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ["resnet50", "efficientnet_b0"])
def test_any_side_from_32_px(architecture):
    """The joint paper's classifiers take sides that no stride divides; of 32 px one px is left."""
    model = build(architecture).eval()
    with torch.no_grad():
        assert model.network.forward_features(patches(1, 32)).shape[-2:] == (1, 1)
        for height, width in ((33, 47), (50, 32)):
            assert model(patches(2, height, width)).isfinite().all()


def test_unknown_architecture():
    """A network that is not in the table is refused with those that are."""
    text = r"no classifier resnet100; .* resnet101, vgg16, vgg19.* or to tu- and a name of timm"
    with pytest.raises(InputError, match=text):
        build("resnet100")
    with pytest.raises(InputError, match="no classifier resnet100"):
        least_side_px("resnet100")


@pytest.mark.parametrize(
    ("architecture", "last", "surplus"),
    [
        ("densenet121", "classifier", {}),
        ("inception_v3", "fc", {"AuxLogits.fc.weight": torch.zeros(1000, 768)}),
        ("resnet50", "fc", {}),
        ("tf_efficientnet_b0", "classifier", {}),
    ],
)
def test_weights_of_a_file(tmp_path, architecture, last, surplus):
    """All but ImageNet's classes and the auxiliary classifier is taken from timm's state dict."""
    state = timm.create_model(architecture, num_classes=1000).state_dict() | surplus
    path = tmp_path / "imagenet.safetensors"
    save_file(state, path)
    name = architecture.removeprefix("tf_")
    found = build(name, pretrained=str(path)).network.state_dict()
    assert found[f"{last}.weight"].shape[0] == 2
    for key, tensor in found.items():
        assert key.startswith(last) or torch.equal(tensor, state[key]), key


def test_weights_of_another_architecture(tmp_path):
    """They are refused, and the line names the network and the first thing that is missing."""
    path = tmp_path / "densenet121.safetensors"
    save_file(timm.create_model("densenet121", num_classes=2).state_dict(), path)
    with pytest.raises(InputError, match=r"not those of resnet101: conv1\.weight is missing"):
        build("resnet101", pretrained=str(path))


@pytest.mark.parametrize(
    ("architecture", "name", "first"),
    [
        ("densenet121", "densenet121.tv_in1k", "features.conv0.weight"),
        ("resnet50", "resnet50.tv_in1k", "conv1.weight"),
        ("efficientnet_b0", "tf_efficientnet_b0.in1k", "conv_stem.weight"),
    ],
)
def test_weights_of_the_hub(tmp_path, monkeypatch, architecture, name, first):
    """What timm fetches for the named network is what the network starts from."""
    state = timm.create_model(name, num_classes=1000).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    asked = stand_in_for_hub(monkeypatch, timm.models._hub, tmp_path)
    model = build(architecture, pretrained="hub")
    assert asked == {f"timm/{name}"}
    assert torch.equal(model.network.state_dict()[first], state[first])
    assert model.network.get_classifier().weight.shape == (2, PUBLISHED[architecture][1])


def weights_of(folder, name: str, **settings: object) -> tuple[str, torch.nn.Module]:
    """Write random weights of a network of timm without its classes; give file and network."""
    torch.manual_seed(5)
    network = timm.create_model(name, num_classes=0, **settings).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # no weights say how these stand
            torch.nn.init.uniform_(layer.running_mean, -0.1, 0.1)
    save_file(network.state_dict(), folder / "trunk.safetensors")
    return str(folder / "trunk.safetensors"), network


@pytest.mark.parametrize(
    ("name", "options", "of_timm", "side_px"),
    [
        ("test_vit.r160_in1k", {}, {}, 160),
        ("test_vit", {"input_px": 96}, {"img_size": 96}, 96),
        ("test_vit", {"layer_scale": 0.1}, {"init_values": 0.1}, 160),
        ("test_resnet", {}, {}, 160),
        ("test_resnet", {"input_px": 64}, {}, 64),
    ],
)
def test_any_network_of_timm_under_a_linear_layer(tmp_path, name, options, of_timm, side_px):
    """Its features, from a file, of patches of its own size and normalization."""
    path, trunk = weights_of(tmp_path, name, **of_timm)
    settings = {"architecture": f"tu-{name}", "pretrained": path, "frozen": True, **options}
    model = PatchClassifier(**settings).eval()
    mean, std = (torch.tensor(trunk.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    images = patches(2, 128)
    small = interpolate(images, (side_px, side_px), mode="bilinear", antialias=True)
    last = model.network.get_classifier()
    with torch.no_grad():
        expected = linear(trunk((small - mean) / std), last.weight, last.bias)
        torch.testing.assert_close(model(images), expected)
        torch.testing.assert_close(model(small), expected)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        f"network.{model.network.pretrained_cfg['classifier']}.{part}"
        for part in ("weight", "bias")
    }


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"architecture": "tu-no_such_vit"}, "timm makes no tu-no_such_vit"),
        ({"architecture": "tu-test_vit.no_tag"}, "timm makes no tu-test_vit.no_tag"),
        ({"architecture": "tu-hf-hub:timm/test_vit.r160_in1k"}, "timm makes no tu-hf-hub"),
        ({"architecture": "tu-test_resnet", "layer_scale": 0.1}, "timm makes no tu-test_resnet"),
        (
            {"architecture": "tu-test_vit", "pretrained": "hub"},
            "weights of tu-test_vit are not fet",
        ),
        ({"architecture": "tu-test_vit", "pretrained": "a.pth"}, "pickled weights"),
        ({"architecture": "tu-test_vit", "pretrained": "a.bin"}, "pickled weights"),
    ],
)
def test_what_is_no_network_of_timm(monkeypatch, tmp_path, settings, text):
    """Names that it does not have, hubs, and weights that would be unpickled: one line."""
    cut_off_hub(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=text) as caught:
        PatchClassifier(**{"pretrained": "none", "frozen": True, **settings})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("architecture", ["efficientnet_b0", "tu-test_resnet"])
def test_what_is_frozen_stands_still_in_training(architecture):
    """A step changes the layer of classes; neither weights nor batch statistics before it."""
    torch.manual_seed(0)
    model = PatchClassifier(architecture=architecture, pretrained="none", frozen=True).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(patches(3)).square().sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1).step()
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    last = f"network.{model.network.pretrained_cfg['classifier']}"
    assert changed == {f"{last}.weight", f"{last}.bias"}
    assert model.training
