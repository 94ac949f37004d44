"""The classifiers: sizes as published, timm's results, weights from where they say."""

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import linear

from microtome.errors import InputError
from microtome.networks.classifiers import PatchClassifier, least_side_px

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Published numbers of weights with ImageNet's thousand classes, and inputs of the last layer.
PUBLISHED = {
    "resnet101": (44_549_160, 2048),
    "vgg19": (143_667_240, 4096),
    "densenet121": (7_978_856, 1024),
    "inception_v3": (23_834_568, 2048),
    "resnet50": (25_557_032, 2048),
    "efficientnet_b0": (5_288_548, 1280),
}


def classifier(architecture: str, *, pretrained: str = "none", seed: int = 0) -> PatchClassifier:
    """Build one with weights that follow from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PatchClassifier(architecture=architecture, pretrained=pretrained)


def patches(n: int, side: int) -> torch.Tensor:
    """Draw random patches."""
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module", params=PUBLISHED)
def built(request):
    """A classifier of each architecture, and patches of the least size it takes."""
    return classifier(request.param).eval(), patches(2, least_side_px(request.param))


def test_two_logits_a_patch(built):
    """One finite logit for each class, of the smallest patches too."""
    model, images = built
    with torch.no_grad():
        logits = model(images)
    assert logits.shape == (2, 2)
    assert torch.isfinite(logits).all()


def test_evaluation_is_repeatable_and_takes_single_patches(built):
    """A patch has the same logits again, and whether it comes alone or not."""
    model, images = built
    with torch.no_grad():
        together = model(images)
        assert torch.equal(model(images), together)
        torch.testing.assert_close(model(images[1:]), together[1:], rtol=1e-3, atol=1e-4)
    assert not torch.equal(together[0], together[1])


def test_pixels_are_normalized_inside(built):
    """The logits are timm's own of patches with the pixels that ImageNet's weights want."""
    model, images = built
    kind = type(model.network).__name__
    mean, std = ((0.5,) * 3,) * 2 if kind == "InceptionV3" else IMAGENET
    channels = [(images[:, i] - mean[i]) / std[i] for i in range(3)]
    with torch.no_grad():
        torch.testing.assert_close(
            model(images), model.network(torch.stack(channels, 1)), rtol=1e-3, atol=1e-4
        )


def test_weights_are_all_that_is_saved(built):
    """The state dict is the network's, without what normalizes."""
    model, _ = built
    assert list(model.state_dict()) == [f"network.{key}" for key in model.network.state_dict()]


def test_every_weight_is_trained(built):
    """The gradient reaches every parameter."""
    model, images = built
    # Residual branches start at zero, and what is behind them in the first step has no gradient.
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    model.train()
    model(images).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    model.zero_grad(set_to_none=True)
    model.eval()


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_numbers_of_weights(architecture):
    """As many as published, with a layer of two classes for that of a thousand."""
    with torch.device("meta"):
        model = PatchClassifier(architecture=architecture, pretrained="none")
    published, features = PUBLISHED[architecture]
    expected = published - (features + 1) * 1000 + (features + 1) * 2
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_vgg_of_224_px_is_the_original():
    """Its last 7 x 7 features are flattened and go through three dense layers."""
    model = classifier("vgg19").eval()
    images = patches(1, 224)
    with torch.no_grad():
        x = model.network.features(model.normalization(images))
        assert x.shape == (1, 512, 7, 7)
        head = model.network.pre_logits
        for dense in (head.fc1, head.fc2):
            x = linear(x.flatten(1), dense.weight.flatten(1), dense.bias).relu()
        expected = linear(x, model.network.head.fc.weight, model.network.head.fc.bias)
        torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_patches_of_256_px(architecture):
    """The paper's patches give one row of two logits each, whatever a network was made for."""
    with torch.device("meta"):
        model = PatchClassifier(architecture=architecture, pretrained="none").eval()
        assert model(torch.empty(3, 3, 256, 256)).shape == (3, 2)


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_patches_that_are_too_small(architecture):
    """One pixel less than the least side, in either direction, is refused with both numbers."""
    side = least_side_px(architecture)
    with torch.device("meta"):
        model = PatchClassifier(architecture=architecture, pretrained="none").eval()
        for size in ((side - 1, side), (side, side - 1)):
            with pytest.raises(InputError, match=f"{side - 1}.* must be {side} px or more"):
                model(torch.empty(1, 3, *size))


def test_least_side_of_inception_v3():
    """At 75 px its last block still gets a pixel, at 74 px timm's network fails."""
    assert [least_side_px(name) for name in PUBLISHED] == [64, 64, 64, 75, 32, 32]
    network = timm.create_model("inception_v3", num_classes=2).eval()
    with torch.no_grad():
        assert network.forward_features(patches(1, 75)).shape[-2:] == (1, 1)
        with pytest.raises(RuntimeError):
            network(patches(1, 74))


@pytest.mark.parametrize("architecture", ["resnet50", "efficientnet_b0"])
def test_any_side_from_32_px(architecture):
    """The joint paper's classifiers take sides that no stride divides; of 32 px one px is left."""
    model = classifier(architecture).eval()
    with torch.no_grad():
        assert model.network.forward_features(patches(1, 32)).shape[-2:] == (1, 1)
        for height, width in ((32, 32), (33, 47), (50, 32)):
            logits = model(patches(2, 64)[..., :height, :width])
            assert logits.shape == (2, 2)
            assert torch.isfinite(logits).all()


def test_weights_follow_from_the_seed():
    """The same seed gives the same weights, another gives others."""
    first, again, other = (classifier("densenet121", seed=s).state_dict() for s in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    key = "network.features.conv0.weight"
    assert not torch.equal(first[key], other[key])


def test_unknown_architecture():
    """A network that is not in the table is refused with those that are."""
    with pytest.raises(InputError, match=r"no classifier resnet100; .* resnet101, vgg19, dense"):
        PatchClassifier(architecture="resnet100", pretrained="none")
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
    torch.manual_seed(5)
    state = timm.create_model(architecture, num_classes=1000).state_dict() | surplus
    path = tmp_path / "imagenet.safetensors"
    save_file(state, path)
    name = architecture.removeprefix("tf_")
    found = classifier(name, pretrained=str(path)).network.state_dict()
    assert found[f"{last}.weight"].shape[0] == 2
    for key, tensor in found.items():
        if not key.startswith(last):
            assert torch.equal(tensor, state[key]), key


def test_weights_of_another_architecture(tmp_path):
    """They are refused, and the line names the network and the first thing that is missing."""
    path = tmp_path / "densenet121.safetensors"
    save_file(timm.create_model("densenet121", num_classes=2).state_dict(), path)
    with pytest.raises(InputError, match=r"not those of resnet101: conv1\.weight is missing"):
        PatchClassifier(architecture="resnet101", pretrained=str(path))


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
    asked = []

    def download(repo_id, filename, **_):
        asked.append(repo_id)
        return str(tmp_path / filename)

    monkeypatch.setattr(timm.models._hub, "hf_hub_download", download)
    model = classifier(architecture, pretrained="hub")
    assert asked == [f"timm/{name}"]
    assert torch.equal(model.network.state_dict()[first], state[first])
    assert model.network.get_classifier().weight.shape == (2, PUBLISHED[architecture][1])


def test_hub_out_of_reach(tmp_path, monkeypatch):
    """Without a network, one line says which weights and what to do instead."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        PatchClassifier(architecture="resnet101", pretrained="hub")
    assert str(caught.value).startswith("models: the weights of resnet101 could not be fetched (")
    assert str(caught.value).endswith("; set pretrained to a local .safetensors file, or none")
    assert len(str(caught.value).splitlines()) == 1
