"""U-Net and VGG-16, which nuclei's networks are compared with: sizes as published."""

from itertools import pairwise

import torch
from torch import nn

from helpers.networks import conv, n_weights, patches, require_trained, step
from microtome.networks import classifiers
from microtome.networks.nucleus_networks import NucleusUNet
from microtome.networks.registry import build_model

ENTRY = {"reduction": 4, "width": 0.05, "start": None, "attributes": ["a", "b"]}


def build(kind: str, network: str, **changes):
    """Build a network by its entry."""
    return build_model({**ENTRY, "kind": kind, "network": network, **changes})


def without_memory(kind: str, network: str, **changes):
    """Build one of full size whose weights have shapes and no values."""
    with torch.device("meta"):
        return build(kind, network, width=1, **changes)


def test_unet_has_the_weights_of_its_paper():
    """Figure 1: 3 x 3 in pairs, 2 x 2 up, skips joined; 31 million, batch norms for biases."""
    depths = (64, 128, 256, 512, 1024)
    expected = step(3, 64) + step(64, 64)
    for above, below in pairwise(depths):
        expected += step(above, below) + step(below, below)
        expected += conv(below, above, side=2) + step(2 * above, above) + step(above, above)
    network = without_memory("nucleus_segmenter", "unet")
    assert n_weights(network) == expected + conv(64, 1, side=1)
    assert network(torch.empty(2, 3, 40, 100, device="meta")).shape == (2, 1, 40, 100)
    assert network.new_layers() == [network]
    half = [layer.out_channels for layer in build("nucleus_segmenter", "unet", width=0.5).ups]
    assert half == [32, 64, 128, 256]


def test_unet_learns():
    """The gradient reaches every weight, of an image whose sides 16 px do not divide too."""
    require_trained(build("nucleus_segmenter", "unet"), patches(4, 40))


def test_a_location_of_unet_is_the_mean_of_its_pixels():
    """At reduction 4 a logit is the mean of the logits of 4 x 4 px."""
    torch.manual_seed(2)
    fine, coarse = (NucleusUNet(width=0.03, reduction=reduction).eval() for reduction in (1, 4))
    coarse.load_state_dict(fine.state_dict())
    images = patches(2, 40)
    with torch.no_grad():
        expected = nn.functional.avg_pool2d(fine(images), 4)
        torch.testing.assert_close(coarse(images), expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(coarse.detect(images), torch.sigmoid(coarse(images)))


def test_reach_of_unet():
    """No gradient goes beyond it, and at some place it goes nearly as far."""
    torch.manual_seed(2)
    model = NucleusUNet(width=0.06, reduction=4).eval()
    farthest = 0
    for row in (31, 32):
        images = patches(1, 256).requires_grad_()
        model(images)[0, 0, row, 31].backward()
        px = images.grad[0].abs().sum(dim=(0, 2)).nonzero().flatten()
        farthest = max(farthest, 4 * row - px.min().item(), px.max().item() - 4 * row - 3)
    assert model.reach_px - 16 < farthest <= model.reach_px


def test_vgg_for_nuclei(monkeypatch):
    """VGG-16 with an output an attribute; with given weights its last layer alone is new."""
    random = without_memory("nucleus_classifier", "vgg16", pretrained="none")
    assert random(torch.empty(2, 3, 100, 100, device="meta")).shape == (2, 2)
    assert n_weights(random) == 138_357_544 - 4097 * 1000 + 4097 * 2
    assert random.new_layers() == [random]
    loaded = []
    monkeypatch.setattr(classifiers, "load_weights", lambda *at, new, **_: loaded.append((at, new)))
    given = without_memory("nucleus_classifier", "vgg16", pretrained="vgg.safetensors")
    (((network, file), new),) = loaded
    assert (network, file) == (given.network, "vgg.safetensors")
    (last,) = given.new_layers()
    names = [name for name, _ in network.named_parameters() if name.startswith(new)]
    assert names == ["head.fc.weight", "head.fc.bias"]
    assert last.weight.shape == (2, 4096)
