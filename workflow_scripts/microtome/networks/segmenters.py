"""Segmenters: networks that give every pixel of a patch a class.

U-Net, SegNet, DeepLabV3, PSPNet, RefineNet and Mobile-UNet are what HistoCAE is compared with (Roy
et al. 2021, table 1). U-Net with DenseNet-121 (encoder: densenet121) and with Inception-ResNet-V2
(inceptionresnetv2), and DeepLabV3+ with Xception, are the ensemble of the generalized framework
(2021, "Network architecture"); UNet++ with EfficientNet-B0 is the joint classification and
segmentation's (2022, section 3.4).

The encoders, U-Net, DeepLabV3, DeepLabV3+ and PSPNet are those of segmentation-models-pytorch (smp)
and timm. Their hubs have the encoders' ImageNet weights; the weights from Pascal VOC that the
framework's DeepLabV3+ starts from are not published.
"""

from collections.abc import Callable, Sequence

import segmentation_models_pytorch as smp
import timm
import torch
from timm.data import constants
from torch import nn

from microtome.errors import InputError, one_line
from microtome.networks.pretrained import Normalization, fetching, is_file, load_weights
from microtome.networks.refinenet import RefineNet
from microtome.networks.segnet import SegNet
from microtome.networks.unet_plus_plus import UNetPlusPlus

# What an entry without an encoder gets: that of the network's own paper where smp has it. SegNet
# is its encoder mirrored, so that it has no other. DeepLabV3+ dilates its encoder, for which its
# paper aligns Xception (section 3.2, here timm's; the first Xception, smp's, pools and cannot be).
DEFAULT_ENCODERS: dict[str, str | None] = {
    "unet": "resnet34",
    "segnet": None,
    "deeplabv3": "resnet101",
    "pspnet": "resnet101",
    "refinenet": "resnet101",
    "mobile_unet": "mobilenet_v2",
    "deeplabv3_plus": "tu-xception65",
    "unet_plus_plus": "efficientnet-b0",
}
_SEGNET_ENCODER = "vgg16_bn"
# The encoders halve an image five times.
SIDE_MULTIPLE_PX = 32

# smp's own encoders, by how their names begin, whose ImageNet weights are of other pixels than
# usual. smp reads these numbers from its hub, which a network that is loaded must not need.
_HALVES = (constants.IMAGENET_INCEPTION_MEAN, constants.IMAGENET_INCEPTION_STD)
_PIXELS = {
    "inception": _HALVES,
    "xception": _HALVES,
    "timm-tf_efficientnet_lite": _HALVES,
    "dpn": (constants.IMAGENET_DPN_MEAN, constants.IMAGENET_DPN_STD),
}

# Layers that smp keeps though they are behind the last features it gives, by how their encoder's
# name begins. Nothing would train them, and gradients of several GPUs cannot be averaged then.
_BEHIND_FEATURES = {
    "efficientnet-": ("_conv_head", "_bn1"),
    "timm-efficientnet-": ("conv_head", "bn2"),
    "timm-tf_efficientnet_": ("conv_head", "bn2"),
}


def mean_and_std(encoder: str) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of the pixels (3 channels in [0, 1]) an encoder was trained with.

    Encoders have the names of segmentation-models-pytorch, or ``tu-`` and a name of timm.
    InputError if there is no such encoder.

    Examples
    --------
    >>> mean_and_std("inceptionresnetv2")
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    """
    if encoder.startswith("tu-"):
        try:
            settings = timm.get_pretrained_cfg(encoder[3:], allow_unregistered=False)
        except RuntimeError as error:
            raise _unknown(encoder) from error
        return settings.mean, settings.std
    if encoder not in smp.encoders.encoders:
        raise _unknown(encoder)
    for beginning, pixels in _PIXELS.items():
        if encoder.startswith(beginning):
            return pixels
    return constants.IMAGENET_DEFAULT_MEAN, constants.IMAGENET_DEFAULT_STD


def _unknown(encoder: str) -> InputError:
    return InputError(
        f"models: there is no encoder {encoder}; set encoder to a name of"
        " segmentation-models-pytorch, such as resnet101, or tu- and a name of timm"
    )


def _choose_encoder(architecture: str, encoder: str | None) -> str:
    if architecture not in DEFAULT_ENCODERS:
        raise InputError(
            f"models: there is no segmenter {architecture}; set architecture to one of"
            f" {', '.join(DEFAULT_ENCODERS)}"
        )
    if architecture == "segnet":
        if encoder is not None:
            raise InputError(
                f"models: segnet has an encoder of its own; leave encoder ({encoder}) out"
            )
        return _SEGNET_ENCODER
    return encoder or DEFAULT_ENCODERS[architecture]


_OUR_NETWORKS = {"segnet": SegNet, "refinenet": RefineNet, "unet_plus_plus": UNetPlusPlus}
# Up by bilinear interpolation, as in the generalized framework; Roy et al. do not say.
_UNET = (smp.Unet, {"decoder_interpolation": "bilinear"})
_NETWORKS_OF_SMP: dict[str, tuple[Callable[..., nn.Module], dict]] = {
    "unet": _UNET,
    "mobile_unet": _UNET,
    "deeplabv3": (smp.DeepLabV3, {}),
    # The paper's rates at output stride 16 (DeepLabV3, section 3.3); smp's are those of stride 8.
    "deeplabv3_plus": (smp.DeepLabV3Plus, {"decoder_atrous_rates": (6, 12, 18)}),
    # As in the paper, all five stages, the last two dilated; smp would stop behind the third.
    "pspnet": (smp.PSPNet, {"encoder_depth": 5, "output_stride": 8}),
}


def _make_network(architecture: str, encoder: str) -> nn.Module:
    if architecture in _OUR_NETWORKS:
        return _OUR_NETWORKS[architecture](encoder=smp.encoders.get_encoder(encoder))
    make, options = _NETWORKS_OF_SMP[architecture]
    return make(encoder, encoder_weights=None, classes=2, **options)


class PatchSegmenter(nn.Module):
    """A network with two classes: logits of {not tumour, tumour} for every pixel.

    Mobile-UNet is U-Net over MobileNet V2. InputError if there is no such network or encoder, they
    do not go together, or the weights are not there or not the encoder's own.

    Parameters
    ----------
    architecture : str
        A key of `DEFAULT_ENCODERS`, which has its encoder if `encoder` is None.
    encoder : str or None
        A name of segmentation-models-pytorch. SegNet takes none. DeepLabV3, DeepLabV3+ and PSPNet
        need one that can be dilated, which VGG, DenseNet, Inception and smp's Xception cannot.
    pretrained : str
        'none': random weights, which follow from torch's seed. 'hub': the encoder's ImageNet
        weights, fetched by segmentation-models-pytorch. Else a local ``.safetensors`` file of the
        encoder's state dict.
    """

    def __init__(self, *, architecture: str, encoder: str | None, pretrained: str) -> None:
        super().__init__()
        encoder = _choose_encoder(architecture, encoder)
        mean, std = mean_and_std(encoder)
        from_file = is_file(pretrained)
        try:
            self.network = _make_network(architecture, encoder)
        # Timm's encoders say in all these ways that they have no such strides.
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"models: encoder {encoder} does not go with {architecture} ({one_line(error)});"
                f" set encoder to another, such as {DEFAULT_ENCODERS[architecture]}"
            ) from error
        if pretrained == "hub":
            self.network.encoder.load_state_dict(_fetch(encoder))
        if from_file:
            load_weights(self.network.encoder, pretrained, name=f"encoder {encoder}")
        for beginning, layers in _BEHIND_FEATURES.items():
            for layer in layers if encoder.startswith(beginning) else ():
                delattr(self.network.encoder, layer)
        self.normalization = Normalization(mean=mean, std=std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, H, W) of images (B, 3, H, W) in [0, 1]; H and W are multiples of 32."""
        height, width = images.shape[-2:]
        if height % SIDE_MULTIPLE_PX or width % SIDE_MULTIPLE_PX:
            raise InputError(
                f"models: a patch of {width} x {height} px does not fit a segmenter; its sides must"
                f" be multiples of {SIDE_MULTIPLE_PX} px"
            )
        return self.network(self.normalization(images))


def _fetch(encoder: str) -> dict[str, torch.Tensor]:
    """ImageNet weights of an encoder, from the hub of smp or timm."""
    if encoder.startswith("tu-"):
        there, weights = timm.models.is_model_pretrained(encoder[3:]), True
    else:
        weights = "imagenet"
        there = weights in smp.encoders.encoders[encoder]["pretrained_settings"]
    if not there:
        raise InputError(
            f"models: the hub has no ImageNet weights of encoder {encoder}; set pretrained to a"
            " local .safetensors file, or none"
        )
    with fetching(f"encoder {encoder}"):
        return smp.encoders.get_encoder(encoder, weights=weights).state_dict()
