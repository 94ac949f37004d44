"""Encoders that do not fit an architecture are told before anything runs."""

import pytest

from microtome.cohort.encoder_checks import ENCODERS, find_encoder_mistake

DILATED = ("deeplabv3", "deeplabv3_plus", "pspnet")
OTHERS = ("unet", "mobile_unet", "unet_plus_plus", "refinenet")
POOLING = {"vgg16_bn", "densenet121", "inceptionv4", "inceptionresnetv2", "xception"}
STRIDING = {"resnet101", "resnext50_32x4d", "efficientnet-b0", "tu-xception65.tf_in1k"}


@pytest.mark.parametrize("architecture", [*DILATED, *OTHERS])
def test_what_fits(architecture):
    """Encoders that stride fit all, those that pool what does not dilate them."""
    fitting = STRIDING if architecture in DILATED else STRIDING | POOLING | {"tu-vgg11"}
    assert {find_encoder_mistake(architecture, encoder) for encoder in fitting} == {""}


@pytest.mark.parametrize("architecture", DILATED)
@pytest.mark.parametrize("encoder", [*sorted(POOLING), "tu-vgg11", "tu-inception_v3"])
def test_what_does_not_fit(architecture, encoder):
    """The line has both names, why, and the families that do fit, none that does not."""
    line = find_encoder_mistake(architecture, encoder)
    why, _, fitting = line.partition("; ")
    assert why == f"{encoder} pools and cannot be dilated, as {architecture} needs it"
    assert fitting.startswith(f"those that {architecture} takes begin with resnet, resnext, ")
    assert not any(name in fitting for name in ("vgg", "densenet", "inception", "xception"))


@pytest.mark.parametrize("architecture", ["unet", "pspnet"])
def test_what_is_no_encoder(architecture):
    """A name that is not there, with those that are."""
    line = find_encoder_mistake(architecture, "resnet102")
    assert line.startswith("there is no encoder 'resnet102'; those that ")
    assert ("vgg" in line) == (architecture == "unet")


def test_segnet_takes_none():
    """Not even its own."""
    assert find_encoder_mistake("segnet", "vgg16_bn").endswith("leave vgg16_bn out")


def test_every_known_name_begins_as_it_is_told():
    """The families that the line names are the beginnings of the names, and of all of them."""
    line = find_encoder_mistake("unet", "x")
    families = line.partition("begin with ")[2].partition(", or are")[0].split(", ")
    assert all(any(name.startswith(family) for family in families) for name in ENCODERS)
    assert all(any(name.startswith(family) for name in ENCODERS) for family in families)
