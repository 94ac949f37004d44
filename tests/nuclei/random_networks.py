"""Tiny networks that detect nuclei, with random weights, whose maps are not flat."""

import copy
from functools import cache

import torch

from helpers.pictures import noise
from microtome.networks.crosswise import CrosswiseCAE
from microtome.networks.nucleus_networks import EncoderSettings, NucleusDetector, NucleusUNet

WIDTH = 0.02


def autoencoder(reduction: int = 4, *, offset_px: tuple[float, float] = (0, 0)) -> CrosswiseCAE:
    """Give one with random weights and batch norms, which detects at few locations."""
    cae = copy.deepcopy(_make_autoencoder(reduction))
    cae.offset_px.copy_(torch.tensor(offset_px))
    return cae


@cache
def _make_autoencoder(reduction: int) -> CrosswiseCAE:
    torch.manual_seed(1)
    cae = CrosswiseCAE(variant="crosswise", reduction=reduction, width=WIDTH, sparsity_percent=1.6)
    images = torch.from_numpy(noise(100, 100, seed=9)).movedim(-1, 0)[None] / 255
    with torch.no_grad():
        for _ in range(60):
            cae.train().encode(images)
        cae.eval().part5.threshold.fill_(cae.encode(images).raw.quantile(0.97))
    return cae


def detector(variant: str) -> torch.nn.Module:
    """Make a supervised network with random weights, whose probabilities are about a half."""
    torch.manual_seed(2)
    if variant == "unet":
        return NucleusUNet(width=WIDTH, reduction=4).eval()
    settings = EncoderSettings(variant=variant, reduction=4, width=WIDTH, sparsity_percent=1.6)
    network = NucleusDetector(settings).eval()
    with torch.no_grad():
        network.head[-1].weight *= 30  # or all maps would be nearly flat
    return network
