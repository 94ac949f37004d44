"""Encoders of segmenters: whether there is one of a name, and whether it fits the architecture.

Names and abilities are those of segmentation-models-pytorch, written down here because a config is
checked without PyTorch; a test compares them.
"""

# By family: those that halve their maps by pooling cannot be dilated.
_POOLING = {
    "vgg": [f"vgg{n}{norm}" for n in (11, 13, 16, 19) for norm in ("", "_bn")],
    "densenet": [f"densenet{n}" for n in (121, 161, 169, 201)],
    "inception": ["inceptionresnetv2", "inceptionv4"],
    "xception": ["xception"],
}
_STRIDING = {
    "resnet": [f"resnet{n}" for n in (18, 34, 50, 101, 152)],
    "resnext": ["resnext50_32x4d", *(f"resnext101_32x{n}d" for n in (4, 8, 16, 32, 48))],
    "se_resnet": [f"se_resnet{n}" for n in (50, 101, 152)],
    "se_resnext": ["se_resnext50_32x4d", "se_resnext101_32x4d"],
    "senet154": ["senet154"],
    "dpn": ["dpn68", "dpn68b", *(f"dpn{n}" for n in (92, 98, 107, 131))],
    "efficientnet-b": [f"efficientnet-b{n}" for n in range(8)],
    "timm-efficientnet-": [f"timm-efficientnet-{n}" for n in (*(f"b{n}" for n in range(9)), "l2")],
    "timm-tf_efficientnet_lite": [f"timm-tf_efficientnet_lite{n}" for n in range(5)],
    "timm-skres": ["timm-skresnet18", "timm-skresnet34", "timm-skresnext50_32x4d"],
    "mobilenet_v2": ["mobilenet_v2"],
    "mobileone_s": [f"mobileone_s{n}" for n in range(5)],
    "mit_b": [f"mit_b{n}" for n in range(6)],
}
ENCODERS = frozenset(name for family in (_POOLING | _STRIDING).values() for name in family)
_DILATED = ("deeplabv3", "deeplabv3_plus", "pspnet")
_OF_TIMM = "tu-"  # and any name of timm: of what pools, these are the beginnings
_POOLING_OF_TIMM = ("tu-vgg", "tu-densenet", "tu-inception")


def find_encoder_mistake(architecture: str, encoder: str) -> str:
    """Say what is wrong with the encoder of a segmenter and which ones do; '' if nothing is known.

    Of timm's networks only some are known not to fit; what else does not is refused when the
    network is made.

    Examples
    --------
    >>> find_encoder_mistake("unet", "densenet121")
    ''
    >>> find_encoder_mistake("pspnet", "densenet121").partition(";")[0]
    'densenet121 pools and cannot be dilated, as pspnet needs it'
    """
    if architecture == "segnet":
        return f"segnet has an encoder of its own; leave {encoder} out"
    is_dilated = architecture in _DILATED
    fitting = _STRIDING if is_dilated else _POOLING | _STRIDING
    is_of_timm = encoder.startswith(_OF_TIMM)
    if is_of_timm and not (is_dilated and encoder.startswith(_POOLING_OF_TIMM)):
        return ""
    if any(encoder in names for names in fitting.values()):
        return ""
    why = f"there is no encoder {encoder!r}"
    if is_of_timm or encoder in ENCODERS:
        why = f"{encoder} pools and cannot be dilated, as {architecture} needs it"
    return (
        f"{why}; those that {architecture} takes begin with {', '.join(fitting)}, or are"
        f" {_OF_TIMM} and a name of timm"
    )
