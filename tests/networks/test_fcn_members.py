"""Segmenters of the generalized framework's ensemble and of the joint paper, whole."""

import re

import huggingface_hub
import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from microtome.errors import InputError
from microtome.networks.segmenters import PatchSegmenter, mean_and_std

MEMBERS = {
    "unet-densenet121": ("unet", "densenet121"),
    "unet-inceptionresnetv2": ("unet", "inceptionresnetv2"),
    "deeplabv3_plus": ("deeplabv3_plus", None),
    "unet_plus_plus": ("unet_plus_plus", None),
}
HALVES = ((0.5,) * 3,) * 2
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PIXELS = {
    "unet-densenet121": IMAGENET,
    "unet-inceptionresnetv2": HALVES,
    "deeplabv3_plus": HALVES,
    "unet_plus_plus": IMAGENET,
}


def segmenter(architecture: str, encoder: str | None = None, *, pretrained: str = "none"):
    """Build one with weights that follow from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PatchSegmenter(architecture=architecture, encoder=encoder, pretrained=pretrained)


def patches(n: int, height: int = 64, width: int = 64) -> torch.Tensor:
    """Draw random patches."""
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module", params=MEMBERS)
def member(request):
    """Name and network of each."""
    return request.param, segmenter(*MEMBERS[request.param]).eval()


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_full_size_logits(member, size):
    """Multiples of 32 px, the least too, give two finite logits a pixel."""
    with torch.no_grad():
        logits = member[1](patches(2, *size))
    assert logits.shape == (2, 2, *size)
    assert torch.isfinite(logits).all()


def test_pixels_are_those_of_the_encoder(member):
    """The network gets pixels as its encoder's ImageNet weights want them."""
    name, model = member
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in PIXELS[name])
    images = patches(1)
    with torch.no_grad():
        expected = model.network((images - mean) / std)
        torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-4)


def test_every_weight_is_trained(member):
    """The gradient reaches every parameter; nothing is built and left out."""
    _, model = member
    model.train()
    model(patches(2)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    model.zero_grad(set_to_none=True)
    model.eval()


def test_layers_behind_the_features():
    """Of EfficientNet they alone are left out, in U-Net as well."""
    with torch.device("meta"):
        whole = smp.encoders.get_encoder("efficientnet-b0").state_dict()
        model = PatchSegmenter(architecture="unet", encoder="efficientnet-b0", pretrained="none")
    found = model.network.encoder.state_dict()
    assert set(whole) - set(found) == {k for k in whole if k.startswith(("_conv_head.", "_bn1."))}
    assert len(found) > 100


@pytest.mark.parametrize("encoder", ["timm-efficientnet-b0", "timm-tf_efficientnet_lite0"])
def test_layers_behind_the_features_of_timm_encoders(encoder):
    """Likewise in the encoders that smp took from timm; the logits stay two a pixel."""
    with pytest.warns(DeprecationWarning, match="Please use `tu-`"):
        model = segmenter("unet", encoder).eval()
    assert model(patches(1)).shape == (1, 2, 64, 64)
    names = {name.split(".")[0] for name, _ in model.network.encoder.named_parameters()}
    assert names == {"conv_stem", "bn1", "blocks"}


@pytest.mark.parametrize("encoder", ["xception", "densenet121", "inceptionresnetv2"])
def test_encoders_that_deeplabv3_plus_cannot_dilate(encoder):
    """They are refused in one line that names the aligned Xception."""
    with pytest.raises(
        InputError, match=f"encoder {encoder} does not go with deeplabv3_plus"
    ) as caught:
        segmenter("deeplabv3_plus", encoder)
    line = str(caught.value)
    assert line.endswith("set encoder to another, such as tu-xception65")
    assert len(line.splitlines()) == 1


def test_rates_of_deeplabv3_plus():
    """At output stride 16 the paper's three atrous rates are 6, 12 and 18."""
    with torch.device("meta"):
        model = PatchSegmenter(architecture="deeplabv3_plus", encoder="resnet18", pretrained="none")
    pyramid = model.network.decoder.aspp[0]
    rates = {m.dilation for m in pyramid.modules() if getattr(m, "kernel_size", 0) == (3, 3)}
    assert rates == {(6, 6), (12, 12), (18, 18)}


def test_unet_enlarges_by_bilinear_interpolation():
    """Between 0 and 4, enlarged twofold, lie 1 and 3: the nearest would be 0 and 4."""
    model = segmenter("unet", "resnet18").eval()
    block = model.network.decoder.blocks[0]
    seen = []
    hook = block.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        small = torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 2).expand(1, 512, 1, 2)
        block(small, 2, 4, torch.zeros(1, 256, 2, 4))
    hook.remove()
    assert seen[0][0, 0].tolist() == [[0, 1, 3, 4]] * 2


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        ("densenet121", IMAGENET),
        ("inceptionresnetv2", HALVES),
        ("tu-xception65", HALVES),
        ("tu-xception65.tf_in1k", HALVES),
        ("efficientnet-b0", IMAGENET),
    ],
)
def test_mean_and_std(encoder, expected):
    """Of all three channels, as the encoder's ImageNet weights were trained."""
    assert [tuple(values) for values in mean_and_std(encoder)] == list(expected)


@pytest.mark.parametrize(
    ("architecture", "encoder", "surplus"),
    [
        ("unet", "densenet121", "classifier.weight"),
        ("unet", "inceptionresnetv2", "last_linear.weight"),
        ("deeplabv3_plus", "tu-xception65", None),
        ("unet_plus_plus", "efficientnet-b0", "_fc.weight"),
    ],
)
def test_weights_of_a_file(tmp_path, architecture, encoder, surplus):
    """The encoder takes all of them but ImageNet's classes; the rest stays as it was."""
    torch.manual_seed(5)
    state = smp.encoders.get_encoder(encoder).state_dict()
    path = tmp_path / "encoder.safetensors"
    save_file(state | ({surplus: torch.zeros(1000, 2)} if surplus else {}), path)
    found = segmenter(architecture, encoder, pretrained=str(path)).network
    for key, tensor in found.encoder.state_dict().items():
        assert torch.equal(tensor, state[key]), key
    fresh = segmenter(architecture, encoder).network.state_dict()
    for key, tensor in found.state_dict().items():
        assert key.startswith("encoder.") or torch.equal(tensor, fresh[key]), key


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("unet-densenet121", "smp-hub/densenet121.imagenet"),
        ("unet-inceptionresnetv2", "smp-hub/inceptionresnetv2.imagenet"),
        ("unet_plus_plus", "smp-hub/efficientnet-b0.imagenet"),
    ],
)
def test_weights_of_the_hub_of_smp(tmp_path, monkeypatch, name, repository):
    """What smp fetches for the encoder is what the encoder starts from."""
    torch.manual_seed(5)
    encoder = repository.split("/")[1].split(".")[0]
    state = smp.encoders.get_encoder(encoder).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    asked = set()

    def download(repo_id, filename, **_):
        asked.add(repo_id)
        return str(tmp_path / filename)

    monkeypatch.setattr(smp.encoders, "hf_hub_download", download)
    found = segmenter(*MEMBERS[name], pretrained="hub").network.encoder.state_dict()
    assert asked == {repository}
    assert all(torch.equal(found[key], state[key]) for key in found)


def test_weights_of_the_hub_of_timm(tmp_path, monkeypatch):
    """The aligned Xception starts from timm's; dilation does not change which weights it has."""
    torch.manual_seed(5)
    state = timm.create_model("xception65").state_dict()
    save_file(state, tmp_path / "model.safetensors")
    asked = set()

    def download(repo_id, filename, **_):
        asked.add(repo_id)
        return str(tmp_path / filename)

    monkeypatch.setattr(timm.models._hub, "hf_hub_download", download)
    found = segmenter("deeplabv3_plus", pretrained="hub").network.encoder.state_dict()
    assert asked == {"timm/xception65.ra3_in1k"}
    assert len(found) == len([key for key in state if not key.startswith("head.")])
    for key, tensor in found.items():
        # timm numbers the stages of a network that gives features in this way.
        name = re.sub(r"^model\.(stem|blocks)_", r"\1.", key)
        assert torch.equal(tensor, state[name]), key


@pytest.mark.parametrize(
    ("name", "encoder"),
    [("deeplabv3_plus", "tu-xception65"), ("unet_plus_plus", "efficientnet-b0")],
)
def test_hub_out_of_reach(tmp_path, monkeypatch, name, encoder):
    """Without a network, one line says which weights and what to do instead."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        segmenter(name, pretrained="hub")
    line = str(caught.value)
    assert line.startswith(f"models: the weights of encoder {encoder} could not be fetched (")
    assert line.endswith("; set pretrained to a local .safetensors file, or none")
    assert len(line.splitlines()) == 1
