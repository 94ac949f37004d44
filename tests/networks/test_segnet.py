"""SegNet: the encoder mirrored, and what its decoder puts back where it was."""

from functools import cache
from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.networks import build_without_memory, n_weights, step
from microtome.networks.segnet import SegNet


def test_segnet_has_13_convolutions_each_way():
    """The decoder is VGG-16 mirrored; its last convolution alone has no batch norm, ReLU."""
    model = build_without_memory("segnet").network
    vgg = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert n_weights(model.encoder) == sum(step(a, b, bias=True) for a, b in pairwise(vgg))
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
    model = SegNet(encoder=encoder)
    model.decoder = nn.ModuleList(nn.Identity() for _ in range(n))
    model.head = nn.Identity()
    return model


def test_sides_may_be_odd_between():
    """Of 6 x 10 px the second pooling gets 3 x 5; as many come back."""
    assert pooling_segnet(2)(torch.rand(1, 1, 6, 10)).shape == (1, 1, 6, 10)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16), n=st.integers(1, 3))
def test_maxima_go_back_to_their_places(seed, n):
    """Of each block of 2^n px the maximum comes back where it was, beside zeros."""
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(seed))
    found = pooling_segnet(n)(images)
    largest = nn.functional.max_pool2d(images, 2**n).repeat_interleave(2**n, 2)
    expected = torch.where(images == largest.repeat_interleave(2**n, 3), images, 0)
    assert torch.equal(found, expected)
