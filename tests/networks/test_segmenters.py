"""The segmenters as smp and the papers have them, and their encoders' weights."""

import re
from itertools import pairwise

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from helpers.networks import (
    build,
    build_without_memory,
    n_weights,
    patches,
    stand_in_for_hub,
    step,
)
from microtome.cohort.encoder_checks import ENCODERS, find_encoder_mistake
from microtome.errors import InputError
from microtome.networks.segmenters import PatchSegmenter, mean_and_std

# Published numbers of weights without ImageNet's classes.
RESNET34, RESNET101, MOBILENET = 21_797_672 - 513_000, 44_549_160 - 2_049_000, 3_504_872 - 1_281_000
# EfficientNet-B0 goes without its last convolution and batch norm too.
EFFICIENTNET = 5_288_548 - 1_281_000 - 320 * 1280 - 2 * 1280


@pytest.mark.parametrize("size", [(64, 80), (48, 64)])
@pytest.mark.parametrize("architecture", ["unet", "deeplabv3_plus"])
def test_sides_that_do_not_fit(architecture, size):
    """Sides that are no multiples of 32 px are refused, for all networks alike."""
    model = build_without_memory(architecture)
    with pytest.raises(InputError, match=f"{size[1]} x {size[0]} px .* multiples of 32 px"):
        model(patches(1, *size))


def separable(inputs: int, outputs: int, *, norms: int) -> int:
    """Count a depthwise 3 x 3 and a 1 x 1 convolution, and batch norms behind one or both."""
    between = 2 * inputs * (norms - 1)
    return 9 * inputs + between + step(inputs, outputs, side=1)


def aligned_xception() -> int:
    """Count Xception-65's weights, as figure 4 of DeepLabV3+'s paper has them."""
    down = [(64, 128, 128, 128), (128, 256, 256, 256), (256, 728, 728, 728), (728, 728, 1024, 1024)]
    total = step(3, 32) + step(32, 64)
    for block in [*down, *[(728,) * 4] * 16, (1024, 1536, 1536, 2048)]:
        total += sum(separable(a, b, norms=2) for a, b in pairwise(block))
    return total + sum(step(block[0], block[-1], side=1) for block in down)


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("unet", RESNET34),
        ("deeplabv3", RESNET101),
        ("pspnet", RESNET101),
        ("refinenet", RESNET101),
        ("mobile_unet", MOBILENET),
        ("deeplabv3_plus", aligned_xception()),
        ("unet_plus_plus", EFFICIENTNET),
    ],
)
def test_default_encoders(architecture, expected):
    """They have as many weights as published, or counted by hand."""
    assert n_weights(build_without_memory(architecture).network.encoder) == expected


@pytest.mark.parametrize(
    ("architecture", "stride"), [("deeplabv3", 8), ("pspnet", 8), ("deeplabv3_plus", 16)]
)
def test_strides_of_the_encoder(architecture, stride):
    """All of the encoder's stages are seen, the last dilated."""
    encoder = build_without_memory(architecture).network.encoder
    features = encoder(torch.empty(1, 3, 64, 64, device="meta"))
    assert len(features) == 6
    assert features[-1].shape[-1] == 64 // stride


@pytest.mark.parametrize(
    ("architecture", "encoder", "make", "options"),
    [
        ("unet", "resnet18", smp.Unet, {"decoder_interpolation": "bilinear"}),
        ("mobile_unet", "mobilenet_v2", smp.Unet, {"decoder_interpolation": "bilinear"}),
        ("deeplabv3", "resnet18", smp.DeepLabV3, {}),
        ("deeplabv3_plus", "resnet18", smp.DeepLabV3Plus, {"decoder_atrous_rates": (6, 12, 18)}),
        ("pspnet", "resnet18", smp.PSPNet, {"encoder_depth": 5, "output_stride": 8}),
    ],
    ids=["unet", "mobile_unet", "deeplabv3", "deeplabv3_plus", "pspnet"],
)
def test_networks_are_those_of_smp(architecture, encoder, make, options):
    """From the same seed, smp's own network has the same weights and logits."""
    model = build(architecture, encoder, seed=4).eval()
    torch.manual_seed(4)
    reference = make(encoder, encoder_weights=None, classes=2, **options).eval()
    images = patches(1)
    with torch.no_grad():
        assert torch.equal(model(images), reference(model.normalization(images)))


def test_layers_behind_the_features():
    """Of EfficientNet they alone are left out, in U-Net as well."""
    with torch.device("meta"):
        whole = smp.encoders.get_encoder("efficientnet-b0").state_dict()
    found = build_without_memory("unet", "efficientnet-b0").network.encoder.state_dict()
    assert set(whole) - set(found) == {k for k in whole if k.startswith(("_conv_head.", "_bn1."))}
    assert len(found) > 100


@pytest.mark.parametrize("encoder", ["timm-efficientnet-b0", "timm-tf_efficientnet_lite0"])
def test_layers_behind_the_features_of_timm_encoders(encoder):
    """Likewise in the encoders that smp took from timm; the logits stay two a pixel."""
    with pytest.warns(DeprecationWarning, match="Please use `tu-`"):
        model = build("unet", encoder).eval()
    assert model(patches(1)).shape == (1, 2, 64, 64)
    names = {name.split(".")[0] for name, _ in model.network.encoder.named_parameters()}
    assert names == {"conv_stem", "bn1", "blocks"}


_UNKNOWN = "no encoder {0}; set encoder to"
_RIGID = "encoder {0} does not go with {1} .*; set encoder to another, such as "


@pytest.mark.parametrize(
    ("architecture", "encoder", "text"),
    [
        ("u-net", None, "no segmenter u-net; set architecture to .* unet, segnet"),
        ("unet", "resnet102", _UNKNOWN),
        ("unet", "tu-resnet18.nothing", _UNKNOWN),
        ("segnet", "vgg16_bn", r"segnet has an encoder of its own; leave encoder \(vgg16_bn\) out"),
        ("pspnet", "densenet121", f"{_RIGID}resnet101$"),
        ("pspnet", "tu-vgg11", f"{_RIGID}resnet101$"),
        ("deeplabv3_plus", "xception", f"{_RIGID}tu-xception65$"),
        ("deeplabv3_plus", "inceptionresnetv2", f"{_RIGID}tu-xception65$"),
        ("unet", "dpn68b", "no ImageNet weights of encoder {0};"),
        ("unet", "tu-resnet50t", "no ImageNet weights of encoder {0};"),
    ],
)
def test_what_does_not_go_together(architecture, encoder, text):
    """Unknown names, encoders that cannot be dilated or have no weights on the hub: one line."""
    with pytest.raises(InputError, match=text.format(encoder, architecture)) as caught:
        PatchSegmenter(architecture=architecture, encoder=encoder, pretrained="hub")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("encoder", "mean", "std"),
    [
        ("resnet101", 0.485, 0.229),
        ("inceptionresnetv2", 0.5, 0.5),
        ("xception", 0.5, 0.5),
        ("timm-tf_efficientnet_lite0", 0.5, 0.5),
        ("dpn68", 124 / 255, 1 / (0.0167 * 255)),
        ("tu-xception65.tf_in1k", 0.5, 0.5),
    ],
)
def test_pixels_of_the_encoders(encoder, mean, std):
    """Red's mean and standard deviation are those of the encoder's ImageNet weights."""
    found = mean_and_std(encoder)
    assert (found[0][0], found[1][0]) == pytest.approx((mean, std))


@pytest.mark.parametrize(
    ("architecture", "encoder", "surplus"),
    [
        ("unet", "resnet18", "fc.weight"),
        ("mobile_unet", "mobilenet_v2", "classifier.1.weight"),
        ("segnet", "vgg16_bn", "classifier.0.weight"),
        ("unet", "inceptionresnetv2", "last_linear.weight"),
        ("deeplabv3_plus", "tu-xception65", None),
        ("unet_plus_plus", "efficientnet-b0", "_fc.weight"),
    ],
)
def test_weights_of_a_file(tmp_path, architecture, encoder, surplus):
    """The encoder takes all of them but ImageNet's classes; the rest stays as it was."""
    state = smp.encoders.get_encoder(encoder).state_dict()
    path = tmp_path / "encoder.safetensors"
    save_file(state | ({surplus: torch.zeros(1000, 2)} if surplus else {}), path)
    asked = None if architecture == "segnet" else encoder
    found = build(architecture, asked, pretrained=str(path)).network
    for key, tensor in found.encoder.state_dict().items():
        assert torch.equal(tensor, state[key]), key
    fresh = build(architecture, asked).network.state_dict()
    for key, tensor in found.state_dict().items():
        assert key.startswith("encoder.") or torch.equal(tensor, fresh[key]), key


def test_encoders_that_are_known_before_anything_runs():
    """They are those of segmentation-models-pytorch."""
    assert set(smp.encoders.encoders) == ENCODERS


@pytest.mark.parametrize(
    "encoder",
    [
        *("resnet18", "resnext50_32x4d", "se_resnet50", "se_resnext50_32x4d", "senet154", "dpn68"),
        *("efficientnet-b0", "timm-efficientnet-b0", "timm-tf_efficientnet_lite0", "mobilenet_v2"),
        *("timm-skresnet18", "mobileone_s0", "mit_b0", "vgg11", "densenet121", "inceptionv4"),
        *("inceptionresnetv2", "xception", "tu-vgg11", "tu-densenet121", "tu-inception_v3"),
        *("tu-resnet18", "tu-xception41"),
    ],
)
@pytest.mark.filterwarnings("ignore:.timm-. encoders are deprecated:DeprecationWarning")
def test_what_is_known_not_to_fit_does_not(encoder):
    """Of each family one: what the check of a config lets pass can be dilated, what not cannot."""
    if find_encoder_mistake("deeplabv3_plus", encoder):
        with pytest.raises(InputError, match="does not go with deeplabv3_plus"):
            build_without_memory("deeplabv3_plus", encoder)
    else:
        # MiT reads numbers of tensors while it is made, which need memory.
        needs_memory = encoder == "mit_b0"
        make = build if needs_memory else build_without_memory
        images = patches(2).to("cpu" if needs_memory else "meta")
        with torch.no_grad():
            found = make("deeplabv3_plus", encoder).eval()(images)
        assert found.shape == (2, 2, 64, 64)


def test_weights_of_another_encoder(tmp_path):
    """They are refused, and the line names the encoder and the first difference."""
    path = tmp_path / "resnet18.safetensors"
    save_file(smp.encoders.get_encoder("resnet18").state_dict(), path)
    text = r"not those of encoder resnet34: layer1\.2\.conv1\.weight is"
    with pytest.raises(InputError, match=text):
        build("unet", "resnet34", pretrained=str(path))


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [
        ("mobile_unet", "mobilenet_v2"),
        ("segnet", "vgg16_bn"),
        ("unet", "densenet121"),
        ("unet_plus_plus", "efficientnet-b0"),
    ],
)
def test_weights_of_the_hub_of_smp(tmp_path, monkeypatch, architecture, encoder):
    """What smp fetches for the encoder is what the encoder starts from."""
    state = smp.encoders.get_encoder(encoder).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    asked = stand_in_for_hub(monkeypatch, smp.encoders, tmp_path)
    asked_for = None if architecture == "segnet" else encoder
    found = build(architecture, asked_for, pretrained="hub").network.encoder.state_dict()
    assert asked == {f"smp-hub/{encoder}.imagenet"}
    assert all(torch.equal(found[key], state[key]) for key in found)


def test_weights_of_the_hub_of_timm(tmp_path, monkeypatch):
    """The aligned Xception starts from timm's; dilation does not change which weights it has."""
    state = timm.create_model("xception65").state_dict()
    save_file(state, tmp_path / "model.safetensors")
    asked = stand_in_for_hub(monkeypatch, timm.models._hub, tmp_path)
    found = build("deeplabv3_plus", pretrained="hub").network.encoder.state_dict()
    assert asked == {"timm/xception65.ra3_in1k"}
    assert len(found) == len([key for key in state if not key.startswith("head.")])
    for key, tensor in found.items():
        # timm numbers the stages of a network that gives features in this way.
        name = re.sub(r"^model\.(stem|blocks)_", r"\1.", key)
        assert torch.equal(tensor, state[name]), key
