"""Classifiers and segmenters alike: two logits of pixels in [0, 1], all weights used and saved."""

import pytest
import torch
from torch import nn

from helpers.networks import (
    HALVES,
    IMAGENET,
    build,
    build_without_memory,
    cut_off_hub,
    patches,
    require_trained,
)
from microtome.errors import InputError
from microtome.networks.classifiers import least_side_px
from microtome.networks.segmenters import DEFAULT_ENCODERS

CLASSIFIERS = ("resnet101", "vgg19", "densenet121", "inception_v3", "resnet50", "efficientnet_b0")
# Small encoders for table 1's networks; those of the ensemble and of the joint paper as they are.
SEGMENTERS = {
    "unet": ("unet", "resnet18"),
    "segnet": ("segnet", None),
    "deeplabv3": ("deeplabv3", "resnet18"),
    "pspnet": ("pspnet", "resnet18"),
    "refinenet": ("refinenet", "resnet18"),
    "mobile_unet": ("mobile_unet", None),
    "unet-densenet121": ("unet", "densenet121"),
    "unet-inceptionresnetv2": ("unet", "inceptionresnetv2"),
    "deeplabv3_plus": ("deeplabv3_plus", None),
    "unet_plus_plus": ("unet_plus_plus", None),
}
WANT_HALVES = {"inception_v3", "unet-inceptionresnetv2", "deeplabv3_plus"}


@pytest.fixture(scope="module", params=[*CLASSIFIERS, *SEGMENTERS])
def built(request):
    """Name and network of each, and two patches: the smallest, of a segmenter wider than high."""
    name = request.param
    if name in SEGMENTERS:
        return name, build(*SEGMENTERS[name]).eval(), patches(2, 64, 96)
    return name, build(name).eval(), patches(2, least_side_px(name))


def shape_of(name: str, images: torch.Tensor) -> tuple[int, ...]:
    """Two logits a patch, or a pixel."""
    return (len(images), 2, *(() if name in CLASSIFIERS else images.shape[-2:]))


def test_two_logits_that_do_not_depend_on_neighbours(built):
    """Finite, the same again, and whether a patch comes alone or not; of 32 px too."""
    name, model, images = built
    with torch.no_grad():
        together = model(images)
        assert together.shape == shape_of(name, images)
        assert torch.isfinite(together).all()
        assert torch.equal(model(images), together)
        torch.testing.assert_close(model(images[1:]), together[1:], rtol=1e-3, atol=1e-4)
        if name in SEGMENTERS:
            assert model(patches(1, 32)).isfinite().all()
    assert not torch.equal(together[0], together[1])


def test_pixels_are_normalized_inside(built):
    """The network gets pixels as ImageNet's weights want them, and no constant is saved."""
    name, model, images = built
    mean, std = (
        torch.tensor(values).reshape(3, 1, 1)
        for values in (HALVES if name in WANT_HALVES else IMAGENET)
    )
    with torch.no_grad():
        expected = model.network((images - mean) / std)
        torch.testing.assert_close(model(images), expected, rtol=1e-3, atol=1e-4)
    assert list(model.state_dict()) == [f"network.{key}" for key in model.network.state_dict()]


def test_every_weight_is_trained(built):
    """The gradient reaches every parameter; nothing is built and left out."""
    name, model, images = built
    # Residual branches start at zero, and what is behind them in the first step has no gradient.
    for module in model.modules() if name in CLASSIFIERS else ():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    require_trained(model, images)


@pytest.mark.parametrize("name", [*CLASSIFIERS, *DEFAULT_ENCODERS])
def test_patches_of_256_px(name):
    """The papers' patches go through every network with its default encoder."""
    with torch.device("meta"):
        images = torch.empty(3, 3, 256, 256)
    assert build_without_memory(name)(images).shape == shape_of(name, images)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("resnet101",), "resnet101"),
        (("unet", "mobilenet_v2"), "encoder mobilenet_v2"),
        (("unet_plus_plus",), "encoder efficientnet-b0"),
        (("deeplabv3_plus",), "encoder tu-xception65"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hub_out_of_reach(tmp_path, monkeypatch, arguments, name):
    """Without a network, one line says which weights and what to do instead."""
    cut_off_hub(monkeypatch, tmp_path)
    with pytest.raises(InputError) as caught:
        build(*arguments, pretrained="hub")
    line = str(caught.value)
    assert line.startswith(f"models: the weights of {name} could not be fetched (")
    assert line.endswith("; set pretrained to a local .safetensors file, or none")
    assert len(line.splitlines()) == 1
