"""HistoCAE's layers, sizes and parameters are those of the paper."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from helpers.networks import conv, n_weights
from helpers.networks import step as counted_step
from microtome.errors import InputError
from microtome.networks.histocae import (
    LATENT_PX,
    PADDED_LATENTS,
    Decoder,
    Encoder,
    HistoCAE,
    HistoCAEClassifier,
)

step = partial(counted_step, bias=True)
# Depth and side of a patch of 64 px behind each convolution.
ENCODER_SHAPES = [(16, 64), (16, 32), (32, 32), (32, 16), (64, 16), (64, 8), (64, 8), (64, 4)]
DECODER_SHAPES = [(64, 8)] * 2 + [(32, 16)] * 2 + [(16, 32)] * 2 + [(16, 64)] * 2
# Two convolutions a block, depths 16, 32, 64, 64; and back 64, 32, 16, 16 and to RGB.
ENCODER_WEIGHTS = sum(step(*depths) for depths in pairwise((3, 16, 16, 32, 32, 64, 64, 64, 64)))
DECODER_DEPTHS = (64, 64, 64, 32, 32, 16, 16, 16, 16)
DECODER_WEIGHTS = sum(step(*depths) for depths in pairwise(DECODER_DEPTHS)) + conv(16, 3)


def outputs_of(module: nn.Sequential, images: torch.Tensor, kind: type) -> list[tuple[int, int]]:
    """Depth and side of what comes out of every layer of a kind."""
    shapes = []
    with torch.no_grad():
        for layer in module:
            images = layer(images)
            if isinstance(layer, kind):
                assert images.shape[2] == images.shape[3]
                shapes.append(tuple(images.shape[1:3]))
    return shapes


def classifier(**changes) -> HistoCAEClassifier:
    """Build a classifier of patches of 64 px."""
    settings = {"patch_px": 64, "head": "light", "dropout": 0.7, "downsampling": "stride"}
    return HistoCAEClassifier(**{**settings, **changes}).eval()


def test_encoder_layer_by_layer():
    """Of each two convolutions the first keeps the size and the second halves it."""
    encoder = Encoder(downsampling="stride").eval()
    assert outputs_of(encoder, torch.rand(1, 3, 64, 64), nn.Conv2d) == ENCODER_SHAPES
    assert [type(layer) for layer in encoder] == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d] * 8
    assert [layer.stride for layer in list(encoder)[::3]] == [(1, 1), (2, 2)] * 4
    assert {layer.kernel_size for layer in list(encoder)[::3]} == {(3, 3)}
    assert n_weights(encoder) == ENCODER_WEIGHTS == 146_640


def test_decoder_layer_by_layer():
    """Each block doubles the size, then convolves; at the end are RGB and a sigmoid."""
    decoder = Decoder().eval()
    shapes = outputs_of(decoder, torch.rand(1, 64, 4, 4), nn.ConvTranspose2d | nn.Conv2d)
    assert shapes == [*DECODER_SHAPES, (3, 64)]
    up, same = ([kind, nn.ReLU, nn.BatchNorm2d] for kind in (nn.ConvTranspose2d, nn.Conv2d))
    assert [type(layer) for layer in decoder] == [*up, *same] * 4 + [nn.Conv2d, nn.Sigmoid]
    assert n_weights(decoder) == DECODER_WEIGHTS == 114_099


def test_max_pooling_takes_the_place_of_strides():
    """In the ablation no convolution has a stride; all else, and every weight, is as many."""
    pooled = Encoder(downsampling="max-pool").eval()
    images = torch.rand(1, 3, 64, 64)
    assert outputs_of(pooled, images, nn.MaxPool2d) == ENCODER_SHAPES[1::2]
    assert {layer.stride for layer in pooled if isinstance(layer, nn.Conv2d)} == {(1, 1)}
    same = [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
    assert [type(layer) for layer in pooled] == [*same, *same, nn.MaxPool2d] * 4
    assert n_weights(pooled) == ENCODER_WEIGHTS
    model = classifier(downsampling="max-pool")
    assert any(isinstance(layer, nn.MaxPool2d) for layer in model.encoder)


@pytest.mark.parametrize("side", [16, 48, 112, 256])
def test_any_multiple_of_16_comes_back(side):
    """Through 64 numbers a square of 16 px, to pixels in [0, 1] even of wild ones."""
    model = HistoCAE(downsampling="stride").eval()
    images = 1000 * torch.randn(1, 3, side, side)
    with torch.no_grad():
        assert model.encoder(images).shape == (1, 64, side // 16, side // 16)
        back = model(images)
    assert back.shape == images.shape
    assert 0 <= float(back.min()) <= float(back.max()) <= 1


def test_paper_head():
    """Convolution 128 of stride 2, dense 4096, 4096, 256, dropout 0.7 behind each; light: 256."""
    with torch.device("meta"):
        head = classifier(patch_px=256, head="paper").head
    assert isinstance(head[0], nn.Conv2d)
    assert (head[0].out_channels, head[0].stride) == (128, (2, 2))
    dense = [layer for layer in head if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in dense] == [128 * 8 * 8, 4096, 4096, 256]
    assert [layer.out_features for layer in dense] == [4096, 4096, 256, 2]
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.7] * 3
    assert not [layer for layer in head if isinstance(layer, nn.AdaptiveAvgPool2d)]
    light = classifier(patch_px=256).head
    assert n_weights(light) == step(64, 128) + 128 * 256 + 256 + 256 * 2 + 2
    weights = [8192 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 256 + 256, 256 * 2 + 2]
    assert n_weights(head) == step(64, 128) + sum(weights) == 51_463_298


@pytest.mark.parametrize(("downsampling", "last"), [("stride", 1), ("max-pool", 2)])
def test_how_far_padding_reaches(downsampling, last):
    """Two latent px from the first border; from the last one or two; no farther."""
    torch.manual_seed(0)
    encoder = Encoder(downsampling=downsampling).eval()
    image = torch.rand(1, 3, 22 * LATENT_PX, 22 * LATENT_PX)
    window = slice(6 * LATENT_PX, 16 * LATENT_PX)
    with torch.no_grad():
        within = encoder(image)[..., 6:16, 6:16]
        alone = encoder(image[..., window, window])
    expected = torch.ones(10, 10, dtype=torch.bool)
    expected[2 : 10 - last, 2 : 10 - last] = False
    assert torch.equal(((within - alone).abs() > 1e-5).any(dim=1)[0], expected)
    assert max(2, last) == PADDED_LATENTS


@pytest.mark.parametrize("head", ["light", "paper"])
@pytest.mark.parametrize("border_latents", [0, 2])
def test_dropped_latents_do_not_count(head, border_latents):
    """Of 6 x 6 latents those change the logits that are not dropped, up to the corners."""
    model = classifier(patch_px=96, head=head, border_latents=border_latents)
    latents = torch.rand(1, 64, 6, 6)
    last = 5 - border_latents
    for row, column in ((0, 0), (5, 3), (border_latents, last), (last, last)):
        other = latents.clone()
        other[..., row, column] += 1
        counts = border_latents <= row <= last and border_latents <= column <= last
        with torch.no_grad():
            assert torch.equal(model.classify(other), model.classify(latents)) is not counts


@pytest.mark.parametrize(
    ("patch_px", "border_latents", "side"),
    [(16, 0, 1), (48, 0, 2), (256, 2, 6), (256, 3, 5), (96, 1, 2), (80, 2, 1)],
)
def test_two_logits_of_the_latents_that_are_left(patch_px, border_latents, side):
    """The paper's dense layers are as wide as what is left, halved by the convolution."""
    with torch.device("meta"):
        for head, width in (("light", 128), ("paper", 128 * side * side)):
            model = classifier(patch_px=patch_px, head=head, border_latents=border_latents)
            assert model(torch.rand(2, 3, patch_px, patch_px)).shape == (2, 2)
            dense = next(layer for layer in model.head if isinstance(layer, nn.Linear))
            assert dense.in_features == width


@pytest.mark.parametrize("head", ["light", "paper"])
def test_a_border_that_leaves_no_latents(head):
    """Of 4 x 4 latents 2 at each border are all: an error that names the key."""
    with pytest.raises(
        InputError,
        match=r"^border_latents: 2 at each border leave nothing of the 4 latent px a side of a"
        r" patch of 64 px; lower it, or raise patch_px$",
    ):
        classifier(head=head, border_latents=2)
