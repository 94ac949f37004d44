"""The segmenters: SegNet and RefineNet by hand, the others as smp makes them."""

from functools import cache
from itertools import pairwise

import huggingface_hub
import pytest
import segmentation_models_pytorch as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from microtome.errors import InputError
from microtome.networks.refinenet import (
    ChainedResidualPooling,
    RefineBlock,
    RefineNet,
    ResidualConvUnit,
)
from microtome.networks.segmenters import DEFAULT_ENCODERS, PatchSegmenter, mean_and_std
from microtome.networks.segnet import SegNet

# Small encoders in place of the default ones.
SMALL = {
    "unet": "resnet18",
    "segnet": None,
    "deeplabv3": "resnet18",
    "pspnet": "resnet18",
    "refinenet": "resnet18",
    "mobile_unet": None,
    "deeplabv3_plus": "resnet18",
    "unet_plus_plus": "resnet18",
}
MEAN, STD = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
# Published numbers of weights without ImageNet's classes.
RESNET34, RESNET101, MOBILENET = 21_797_672 - 513_000, 44_549_160 - 2_049_000, 3_504_872 - 1_281_000
# EfficientNet-B0 goes without its last convolution and batch norm too.
EFFICIENTNET = 5_288_548 - 1_281_000 - 320 * 1280 - 2 * 1280


def segmenter(
    architecture: str, *, encoder: str | None = None, pretrained: str = "none", seed: int = 0
) -> PatchSegmenter:
    """Build one with weights that follow from a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PatchSegmenter(architecture=architecture, encoder=encoder, pretrained=pretrained)


def patches(n: int, height: int = 64, width: int = 64) -> torch.Tensor:
    """Draw random patches."""
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(3))


def conv(inputs: int, outputs: int, *, side: int = 3, bias: bool = True) -> int:
    """Count the weights of a convolution."""
    return inputs * outputs * side**2 + bias * outputs


def step(inputs: int, outputs: int, *, side: int = 3, bias: bool = False) -> int:
    """Count those of a convolution and the batch norm behind it."""
    return conv(inputs, outputs, side=side, bias=bias) + 2 * outputs


def n_weights(module: nn.Module) -> int:
    """Count a module's trained weights."""
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module", params=SMALL)
def built(request):
    """A segmenter of each architecture, with a small encoder."""
    return segmenter(request.param, encoder=SMALL[request.param]).eval()


def test_two_logits_a_pixel(built):
    """The logits have the patch's height and width, which may differ."""
    with torch.no_grad():
        logits = built(patches(2, 64, 96))
    assert logits.shape == (2, 2, 64, 96)
    assert torch.isfinite(logits).all()


def test_evaluation_is_repeatable_and_takes_single_patches(built):
    """A patch has the same logits again, and whether it comes alone or not."""
    images = patches(2)
    with torch.no_grad():
        together = built(images)
        assert torch.equal(built(images), together)
        torch.testing.assert_close(built(images[1:]), together[1:], rtol=1e-3, atol=1e-4)
    assert not torch.equal(together[0], together[1])


def test_pixels_are_normalized_inside(built):
    """The network gets pixels as ImageNet's weights want them, and no constant is saved."""
    images = patches(1)
    normal = ((images.movedim(1, -1) - MEAN) / STD).movedim(-1, 1)
    with torch.no_grad():
        torch.testing.assert_close(built(images), built.network(normal), rtol=1e-3, atol=1e-4)
    assert list(built.state_dict()) == [f"network.{key}" for key in built.network.state_dict()]


def test_every_weight_is_trained(built):
    """The gradient reaches every parameter; nothing is built and left out."""
    built.train()
    built(patches(2)).square().sum().backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    built.zero_grad(set_to_none=True)
    built.eval()


@pytest.mark.parametrize("architecture", DEFAULT_ENCODERS)
def test_patches_of_256_px(architecture):
    """The paper's patches go through every network with its default encoder."""
    with torch.device("meta"):
        model = PatchSegmenter(architecture=architecture, encoder=None, pretrained="none").eval()
        assert model(torch.empty(2, 3, 256, 256)).shape == (2, 2, 256, 256)


@pytest.mark.parametrize("size", [(64, 80), (48, 64)])
def test_sides_that_do_not_fit(built, size):
    """Sides that are no multiples of 32 px are refused, for all networks alike."""
    with pytest.raises(InputError, match=f"{size[1]} x {size[0]} px .* multiples of 32 px"):
        built(patches(1, *size))


def unet_decoder(depths: list[int]) -> int:
    """Count the weights of smp's U-Net behind an encoder of these depths, of strides 2 to 32."""
    skips = [*depths[-2::-1], 0]
    total, before = 0, depths[-1]
    for skip, depth in zip(skips, (256, 128, 64, 32, 16), strict=True):
        total += step(before + skip, depth) + step(depth, depth)
        before = depth
    return total + conv(16, 2)


def deeplabv3_decoder() -> int:
    """Count the weights of smp's decoder behind ResNet-101."""
    small = 2 * step(2048, 256, side=1)
    wide = 3 * step(2048, 256)
    joined = step(5 * 256, 256, side=1) + step(256, 256)
    return small + wide + joined + conv(256, 2, side=1)


def pspnet_decoder() -> int:
    """Count the weights of smp's decoder behind ResNet-101."""
    pyramid = conv(2048, 512, side=1) + 3 * step(2048, 512, side=1)
    return pyramid + step(4096, 512, side=1) + conv(512, 2)


def segnet_weights() -> int:
    """Count 13 convolutions down and 12 up, each with its batch norm, and the last."""
    vgg = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    encoder = sum(step(a, b, bias=True) for a, b in pairwise(vgg))
    mirror = vgg[:0:-1]
    decoder = sum(step(a, b, bias=True) for a, b in pairwise(mirror))
    return encoder + decoder + conv(64, 2)


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


def deeplabv3_plus_decoder(deep: int, shallow: int) -> int:
    """Count the weights of smp's decoder behind features of these depths."""
    pyramid = 2 * step(deep, 256, side=1) + 3 * separable(deep, 256, norms=1)
    joined = step(5 * 256, 256, side=1) + separable(256, 256, norms=1)
    merged = step(shallow, 48, side=1) + separable(256 + 48, 256, norms=1)
    return pyramid + joined + merged + conv(256, 2, side=1)


def refinenet_weights(depths: list[int]) -> int:
    """Count RefineNet's weights behind an encoder of these depths, of strides 4 to 32."""
    reductions = sum(conv(d, 256, bias=False) for d in depths[:3])
    reductions += conv(depths[3], 512, bias=False)

    def unit(depth):
        return 2 * conv(depth, depth)

    # Two units a path, fusion, two pooling steps, a unit.
    coarsest = 2 * unit(512) + 2 * conv(512, 512) + unit(512)
    end = 2 * conv(256, 256) + unit(256)
    third = 2 * unit(256) + 2 * unit(512) + conv(256, 256) + conv(512, 256) + end
    finer = 4 * unit(256) + 2 * conv(256, 256) + end
    return reductions + coarsest + third + 2 * finer + 2 * unit(256) + conv(256, 2)


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("unet", RESNET34 + unet_decoder([64, 64, 128, 256, 512])),
        ("segnet", segnet_weights()),
        ("deeplabv3", RESNET101 + deeplabv3_decoder()),
        ("pspnet", RESNET101 + pspnet_decoder()),
        ("refinenet", RESNET101 + refinenet_weights([256, 512, 1024, 2048])),
        ("mobile_unet", MOBILENET + unet_decoder([16, 24, 32, 96, 1280])),
        ("deeplabv3_plus", aligned_xception() + deeplabv3_plus_decoder(2048, 256)),
        # The decoder is counted in test_unet_plus_plus.py.
        ("unet_plus_plus", EFFICIENTNET + 3_438_276),
    ],
)
def test_numbers_of_weights(architecture, expected):
    """With its default encoder a network has as many weights as counted by hand."""
    with torch.device("meta"):
        model = PatchSegmenter(architecture=architecture, encoder=None, pretrained="none")
    assert n_weights(model) == expected


def test_segnet_has_13_convolutions_each_way():
    """The decoder is the encoder mirrored; its last convolution alone has no batch norm, ReLU."""
    with torch.device("meta"):
        model = SegNet(encoder=smp.encoders.get_encoder("vgg16_bn"), classes=2)
    down = [m for m in model.encoder.modules() if isinstance(m, nn.Conv2d)]
    up = [m for stage in model.decoder for m in stage if isinstance(m, nn.Conv2d)] + [model.head]
    assert len(down) == len(up) == 13
    assert [(m.in_channels, m.out_channels) for m in up[:-1]] == [
        (m.out_channels, m.in_channels) for m in down[:0:-1]
    ]
    kinds = [type(m) for stage in model.decoder for m in stage]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 12


@cache
def pooling_segnet(n: int) -> SegNet:
    """Strip SegNet of all but `n` poolings and as many unpoolings."""
    encoder = nn.Module()
    encoder.features = nn.Sequential(*[nn.MaxPool2d(2) for _ in range(n)])
    model = SegNet(encoder=encoder, classes=2)
    model.decoder = nn.ModuleList(nn.Identity() for _ in range(n))
    model.head = nn.Identity()
    return model


PIXELS = torch.tensor([[1, 2, 0, 0], [4, 3, 0, 5], [9, 6, 7, 1], [8, 0, 1, 2]]).float()


def test_maxima_go_back_to_their_places():
    """Of each 2 x 2 px the largest comes back where it was, beside zeros."""
    expected = torch.tensor([[0, 0, 0, 0], [4, 0, 0, 5], [9, 0, 7, 0], [0, 0, 0, 0]]).float()
    assert torch.equal(pooling_segnet(1)(PIXELS[None, None])[0, 0], expected)


def test_poolings_are_undone_in_reverse():
    """Of two poolings the largest of all 16 px is left, at its place; sides may be odd between."""
    expected = torch.where(PIXELS == 9, PIXELS, 0)
    assert torch.equal(pooling_segnet(2)(PIXELS[None, None])[0, 0], expected)
    assert pooling_segnet(2)(torch.rand(1, 1, 6, 10)).shape == (1, 1, 6, 10)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16), n=st.integers(1, 3))
def test_unpooled_pixels_are_the_image_or_zero(seed, n):
    """One pixel a block of 2^n px is left, the block's maximum where it was."""
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(seed))
    found = pooling_segnet(n)(images)
    largest = nn.functional.max_pool2d(images, 2**n).repeat_interleave(2**n, 2)
    expected = torch.where(images == largest.repeat_interleave(2**n, 3), images, 0)
    assert torch.equal(found, expected)


def identity(convolution: nn.Conv2d) -> None:
    """Make a convolution give back its input."""
    nn.init.dirac_(convolution.weight)
    nn.init.zeros_(convolution.bias)


def silence(module: nn.Module) -> None:
    """Make every convolution in a module give zeros."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def test_residual_unit_by_hand():
    """What came in, plus two ReLUs and convolutions of it: -1 stays -1, 2 becomes 4."""
    unit = ResidualConvUnit(1)
    identity(unit[1])
    identity(unit[3])
    x = torch.tensor([-1.0, 2.0]).reshape(1, 1, 1, 2)
    assert unit(x).flatten().tolist() == [-1, 4]
    assert x.flatten().tolist() == [-1, 2]


def test_chained_pooling_by_hand():
    """A point of 1 counts three times at its place, twice within 2 px and once within 4 px."""
    pooling = ChainedResidualPooling(1)
    for link in pooling.links:
        identity(link[1])
    x = torch.full((1, 1, 11, 11), -1.0)
    x[..., 5, 5] = 1
    row = [0, 1, 1, 2, 2, 3, 2, 2, 1, 1, 0]
    assert pooling(x)[0, 0, 5].tolist() == row
    assert pooling(x)[0, 0, :, 5].tolist() == row


def test_paths_are_enlarged_and_added():
    """A coarse path is interpolated to the finest and added; here 1 + (0 to 4, bilinear)."""
    block = RefineBlock((1, 1), depth=1)
    silence(block)
    for fuse in block.fusion:
        identity(fuse)
    coarse = torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 2)
    found = block([torch.ones(1, 1, 2, 4), coarse])
    assert found[0, 0].tolist() == [[1, 2, 4, 5]] * 2


def test_single_path_is_not_fused():
    """The coarsest block has no fusion; with silent convolutions it is a ReLU."""
    block = RefineBlock((2,), depth=2)
    assert not block.fusion
    silence(block)
    x = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block([x]), x.relu())


class Stages(nn.Module):
    """An encoder of given features, each to be differentiated by."""

    out_channels = (3, 4, 4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.stages = [
            torch.randn(1, depth, 64 >> i, 64 >> i, generator=generator).requires_grad_()
            for i, depth in enumerate(self.out_channels)
        ]

    def forward(self, _images):
        """Give the same features for all images."""
        return self.stages


def test_refinenet_uses_the_four_coarsest_stages():
    """Every part of the features of strides 4, 8, 16 and 32 bears on the logits, finer ones not."""
    encoder = Stages()
    model = RefineNet(encoder=encoder, classes=2)
    model(torch.rand(1, 3, 64, 64)).square().sum().backward()
    assert [stage.grad is not None for stage in encoder.stages] == [False, False] + [True] * 4
    assert all(stage.grad.ne(0).any(1).all() for stage in encoder.stages[2:])
    assert n_weights(model) == refinenet_weights([4, 8, 16, 32])


@pytest.mark.parametrize(
    ("architecture", "stride", "stages"),
    [
        ("unet", 32, 6),
        ("deeplabv3", 8, 6),
        ("pspnet", 8, 6),
        ("refinenet", 32, 6),
        ("deeplabv3_plus", 16, 6),
        ("unet_plus_plus", 32, 6),
    ],
)
def test_strides_of_the_encoder(architecture, stride, stages):
    """DeepLabV3, DeepLabV3+ and PSPNet see all of the encoder's stages, the last dilated."""
    with torch.device("meta"):
        model = PatchSegmenter(architecture=architecture, encoder=None, pretrained="none").eval()
        features = model.network.encoder(torch.empty(1, 3, 64, 64))
    assert len(features) == stages
    assert features[-1].shape[-1] == 64 // stride


@pytest.mark.parametrize(
    ("architecture", "make", "options"),
    [
        ("unet", smp.Unet, {"decoder_interpolation": "bilinear"}),
        ("mobile_unet", smp.Unet, {"decoder_interpolation": "bilinear"}),
        ("deeplabv3", smp.DeepLabV3, {}),
        ("deeplabv3_plus", smp.DeepLabV3Plus, {"decoder_atrous_rates": (6, 12, 18)}),
    ],
)
def test_networks_are_those_of_smp(architecture, make, options):
    """From the same seed, smp's own network has the same weights and logits."""
    encoder = SMALL[architecture] or "mobilenet_v2"
    model = segmenter(architecture, encoder=encoder, seed=4).eval()
    torch.manual_seed(4)
    reference = make(encoder, encoder_weights=None, classes=2, **options).eval()
    images = patches(1)
    with torch.no_grad():
        assert torch.equal(model(images), reference(model.normalization(images)))


@pytest.mark.parametrize(
    ("make", "key"), [(SegNet, "decoder.0.0.weight"), (RefineNet, "head.2.weight")]
)
def test_weights_follow_from_the_seed(make, key):
    """The same seed gives the same weights, another gives others."""
    states = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            states.append(make(encoder=Stages(), classes=2).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0][key], states[2][key])


def test_default_encoders():
    """None takes the default of the architecture."""
    with torch.device("meta"):
        one, other = (
            PatchSegmenter(architecture="mobile_unet", encoder=name, pretrained="none")
            for name in (None, "mobilenet_v2")
        )
    assert str(one) == str(other)


def test_unknown_architecture():
    """A network that is not in the table is refused with those that are."""
    with pytest.raises(
        InputError, match=r"no segmenter u-net; set architecture to .* unet, segnet"
    ):
        segmenter("u-net")


@pytest.mark.parametrize("name", ["resnet102", "tu-resnet102", "tu-resnet18.nothing"])
def test_unknown_encoder(name):
    """A name that neither library has is refused, and the key named."""
    with pytest.raises(InputError, match=f"no encoder {name}; set encoder to") as caught:
        segmenter("unet", encoder=name)
    assert len(str(caught.value).splitlines()) == 1


def test_segnet_takes_no_encoder():
    """An encoder for SegNet would be ignored, so it is refused."""
    with pytest.raises(InputError, match=r"leave encoder \(vgg16_bn\) out"):
        segmenter("segnet", encoder="vgg16_bn")


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [("deeplabv3", "vgg11"), ("pspnet", "densenet121"), ("pspnet", "tu-vgg11")],
)
def test_encoders_that_cannot_be_dilated(architecture, encoder):
    """They are refused in one line that names a better one."""
    with pytest.raises(InputError, match=f"encoder {encoder} does not go with") as caught:
        segmenter(architecture, encoder=encoder)
    assert str(caught.value).endswith("set encoder to another, such as resnet101")


@pytest.mark.parametrize(
    ("encoder", "mean", "std"),
    [
        ("resnet101", 0.485, 0.229),
        ("timm-efficientnet-b0", 0.485, 0.229),
        ("inceptionresnetv2", 0.5, 0.5),
        ("xception", 0.5, 0.5),
        ("timm-tf_efficientnet_lite0", 0.5, 0.5),
        ("dpn68", 124 / 255, 1 / (0.0167 * 255)),
        ("tu-resnet18", 0.485, 0.229),
        ("tu-xception41", 0.5, 0.5),
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
        ("pspnet", "resnet18", "fc.weight"),
        ("refinenet", "resnet18", "fc.weight"),
        ("mobile_unet", None, "classifier.1.weight"),
        ("segnet", None, "classifier.0.weight"),
        ("unet", "tu-resnet18", None),
    ],
)
def test_weights_of_a_file(tmp_path, architecture, encoder, surplus):
    """The encoder takes all of them but ImageNet's classes; the rest stays as it was."""
    torch.manual_seed(5)
    name = encoder or {"mobile_unet": "mobilenet_v2", "segnet": "vgg16_bn"}[architecture]
    state = smp.encoders.get_encoder(name).state_dict()
    path = tmp_path / "encoder.safetensors"
    save_file(state | ({surplus: torch.zeros(1000, 2)} if surplus else {}), path)
    found = segmenter(architecture, encoder=encoder, pretrained=str(path)).network
    for key, tensor in found.encoder.state_dict().items():
        assert torch.equal(tensor, state[key]), key
    fresh = segmenter(architecture, encoder=encoder).network.state_dict()
    for key, tensor in found.state_dict().items():
        assert key.startswith("encoder.") or torch.equal(tensor, fresh[key]), key


def test_weights_of_another_encoder(tmp_path):
    """They are refused, and the line names the encoder and the first difference."""
    path = tmp_path / "resnet18.safetensors"
    save_file(smp.encoders.get_encoder("resnet18").state_dict(), path)
    with pytest.raises(
        InputError, match=r"not those of encoder resnet34: layer1\.2\.conv1\.weight is"
    ):
        segmenter("unet", encoder="resnet34", pretrained=str(path))


def test_weights_of_the_hub(tmp_path, monkeypatch):
    """What smp fetches for the encoder is what the encoder starts from."""
    state = smp.encoders.get_encoder("mobilenet_v2").state_dict()
    save_file(state, tmp_path / "model.safetensors")
    asked = set()

    def download(repo_id, filename, **_):
        asked.add(repo_id)
        return str(tmp_path / filename)

    monkeypatch.setattr(smp.encoders, "hf_hub_download", download)
    found = segmenter("mobile_unet", pretrained="hub").network.encoder.state_dict()
    assert asked == {"smp-hub/mobilenet_v2.imagenet"}
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-resnet18"])
def test_hub_out_of_reach(tmp_path, monkeypatch, encoder):
    """Without a network, one line says which weights and what to do instead."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught:
        segmenter("unet", encoder=encoder, pretrained="hub")
    line = str(caught.value)
    assert line.startswith(f"models: the weights of encoder {encoder} could not be fetched (")
    assert line.endswith("; set pretrained to a local .safetensors file, or none")
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("encoder", ["dpn68b", "tu-resnet50t"])
def test_encoders_without_weights_on_the_hub(encoder):
    """Where the hub has none, that is said before anything is fetched."""
    with pytest.raises(InputError, match=f"no ImageNet weights of encoder {encoder};"):
        segmenter("unet", encoder=encoder, pretrained="hub")
