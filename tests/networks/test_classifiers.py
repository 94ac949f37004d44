"""The classifiers: sizes as published, timm's results, weights from where they say."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn.functional import linear

from helpers.networks import build, build_without_memory, n_weights, patches, stand_in_for_hub
from microtome.errors import InputError
from microtome.networks.classifiers import least_side_px

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
    with pytest.raises(InputError, match=r"no classifier resnet100; .* resnet101, vgg16, vgg19"):
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
