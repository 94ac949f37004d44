"""HistoCAE's layers, sizes and parameters are those of the paper."""

import pytest
import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.histocae import (
    LATENT_PX,
    PADDED_LATENTS,
    Decoder,
    Encoder,
    HistoCAE,
    HistoCAEClassifier,
)

ENCODER_SHAPES = [
    (16, 64, 64),
    (16, 32, 32),
    (32, 32, 32),
    (32, 16, 16),
    (64, 16, 16),
    (64, 8, 8),
    (64, 8, 8),
    (64, 4, 4),
]
DECODER_SHAPES = [
    (64, 8, 8),
    (64, 8, 8),
    (32, 16, 16),
    (32, 16, 16),
    (16, 32, 32),
    (16, 32, 32),
    (16, 64, 64),
    (16, 64, 64),
]


def conv(inputs: int, outputs: int) -> int:
    """Count weights and biases of a convolution 3 x 3."""
    return inputs * outputs * 9 + outputs


def step(inputs: int, outputs: int) -> int:
    """Count those of a convolution and of the batch norm behind it."""
    return conv(inputs, outputs) + 2 * outputs


# Two convolutions a block, depths 16, 32, 64, 64; and back 64, 32, 16, 16 and to RGB.
ENCODER_WEIGHTS = (
    step(3, 16)
    + step(16, 16)
    + step(16, 32)
    + step(32, 32)
    + step(32, 64)
    + step(64, 64)
    + step(64, 64)
    + step(64, 64)
)
DECODER_WEIGHTS = (
    step(64, 64)
    + step(64, 64)
    + step(64, 32)
    + step(32, 32)
    + step(32, 16)
    + step(16, 16)
    + step(16, 16)
    + step(16, 16)
    + conv(16, 3)
)


def n_weights(module: nn.Module) -> int:
    """Count a module's trained weights."""
    return sum(parameter.numel() for parameter in module.parameters())


def outputs_of(module: nn.Sequential, images: torch.Tensor, kind: type) -> list[tuple]:
    """Shapes behind every layer of a kind."""
    shapes = []
    with torch.no_grad():
        for layer in module:
            images = layer(images)
            if isinstance(layer, kind):
                shapes.append(tuple(images.shape[1:]))
    return shapes


def test_encoder_layer_by_layer():
    """Of each two convolutions the first keeps the size and the second halves it."""
    encoder = Encoder(downsampling="stride").eval()
    assert outputs_of(encoder, torch.rand(1, 3, 64, 64), nn.Conv2d) == ENCODER_SHAPES
    convolutions = [layer for layer in encoder if isinstance(layer, nn.Conv2d)]
    assert [layer.stride for layer in convolutions] == [(1, 1), (2, 2)] * 4
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}


def test_decoder_layer_by_layer():
    """Each block doubles the size, then convolves; depths 64, 32, 16, 16, then RGB."""
    decoder = Decoder().eval()
    kinds = nn.ConvTranspose2d | nn.Conv2d
    shapes = outputs_of(decoder, torch.rand(1, 64, 4, 4), kinds)
    assert shapes == [*DECODER_SHAPES, (3, 64, 64)]
    ups = [isinstance(m, nn.ConvTranspose2d) for m in decoder if isinstance(m, kinds)]
    assert ups == [True, False] * 4 + [False]


def test_max_pooling_takes_the_place_of_strides():
    """In the ablation no convolution has a stride; all else, and every weight, is as many."""
    pooled = Encoder(downsampling="max-pool").eval()
    images = torch.rand(1, 3, 64, 64)
    pools = [(depth, side, side) for depth, side in ((16, 32), (32, 16), (64, 8), (64, 4))]
    assert outputs_of(pooled, images, nn.MaxPool2d) == pools
    assert {layer.stride for layer in pooled if isinstance(layer, nn.Conv2d)} == {(1, 1)}
    kinds = [type(layer) for layer in pooled]
    assert (
        kinds
        == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d, *[nn.Conv2d, nn.ReLU, nn.BatchNorm2d], nn.MaxPool2d]
        * 4
    )
    assert n_weights(pooled) == ENCODER_WEIGHTS
    model = HistoCAEClassifier(patch_px=64, head="light", dropout=0.7, downsampling="max-pool")
    assert any(isinstance(layer, nn.MaxPool2d) for layer in model.encoder)


def test_latent_of_a_patch_of_256_px():
    """256 x 256 x 3 becomes 16 x 16 x 64 and comes back."""
    model = HistoCAE(downsampling="stride").eval()
    with torch.no_grad():
        latent = model.encoder(torch.rand(1, 3, 256, 256))
        back = model.decoder(latent)
    assert latent.shape == (1, 64, 16, 16)
    assert back.shape == (1, 3, 256, 256)


@pytest.mark.parametrize("side", [16, 48, 112])
def test_any_multiple_of_16_comes_back(side):
    """A reconstruction has the size of its patch."""
    with torch.no_grad():
        assert HistoCAE(downsampling="stride").eval()(torch.rand(1, 3, side, side)).shape == (
            1,
            3,
            side,
            side,
        )


@pytest.mark.parametrize("layers", [list(Encoder(downsampling="stride")), list(Decoder())[:-2]])
def test_order_within_a_step(layers):
    """Convolution, ReLU, batch norm, again and again; no pooling and no upsampling."""
    kinds = [type(layer) for layer in layers]
    assert set(kinds[0::3]) <= {nn.Conv2d, nn.ConvTranspose2d}
    assert set(kinds[1::3]) == {nn.ReLU}
    assert set(kinds[2::3]) == {nn.BatchNorm2d}
    assert len(kinds) == 3 * 8


def test_decoder_ends_in_rgb_and_sigmoid():
    """The last layers are a convolution to RGB and a sigmoid."""
    last, sigmoid = list(Decoder())[-2:]
    assert (last.in_channels, last.out_channels, last.stride) == (16, 3, (1, 1))
    assert isinstance(sigmoid, nn.Sigmoid)


def test_reconstructions_lie_between_0_and_1():
    """Pixels are in [0, 1] even for wild input."""
    with torch.no_grad():
        found = HistoCAE(downsampling="stride").eval()(1000 * torch.randn(1, 3, 32, 32))
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_numbers_of_weights():
    """Encoder and decoder have as many weights as counted by hand from the paper."""
    assert n_weights(Encoder(downsampling="stride")) == ENCODER_WEIGHTS == 146_640
    assert n_weights(Decoder()) == DECODER_WEIGHTS == 114_099


def paper_head() -> HistoCAEClassifier:
    """Build the classifier with the paper's head for 256 px, without memory for its weights."""
    with torch.device("meta"):
        return HistoCAEClassifier(patch_px=256, head="paper", dropout=0.7, downsampling="stride")


def test_paper_head():
    """Convolution 128 of stride 2, dense 4096, 4096, 256, dropout 0.7 behind each, two classes."""
    head = paper_head().head
    assert isinstance(head[0], nn.Conv2d)
    assert (head[0].out_channels, head[0].stride) == (128, (2, 2))
    dense = [layer for layer in head if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in dense] == [128 * 8 * 8, 4096, 4096, 256]
    assert [layer.out_features for layer in dense] == [4096, 4096, 256, 2]
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.7] * 3
    assert not [layer for layer in head if isinstance(layer, nn.AdaptiveAvgPool2d)]


def test_numbers_of_weights_of_the_heads():
    """The heads have as many weights as counted by hand."""
    dense = [8192 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 256 + 256, 256 * 2 + 2]
    assert n_weights(paper_head().head) == step(64, 128) + sum(dense) == 51_463_298
    light = HistoCAEClassifier(patch_px=256, head="light", dropout=0.7, downsampling="stride")
    assert n_weights(light.head) == step(64, 128) + 128 * 256 + 256 + 256 * 2 + 2
    assert n_weights(light.encoder) == ENCODER_WEIGHTS


@pytest.mark.parametrize("head", ["light", "paper"])
@pytest.mark.parametrize("side", [16, 32, 48])
def test_two_logits_a_patch(head, side):
    """Whatever the head and the patch's side: one logit for each class."""
    model = HistoCAEClassifier(patch_px=side, head=head, dropout=0.5, downsampling="stride").eval()
    with torch.no_grad():
        assert model(torch.rand(3, 3, side, side)).shape == (3, 2)


def test_dropout_acts_in_training_only():
    """In evaluation the same patch has the same logits; in training it has not."""
    torch.manual_seed(0)
    model = HistoCAEClassifier(patch_px=32, head="light", dropout=0.7, downsampling="stride")
    images = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(model(images), model(images))
        model.eval()
        assert torch.equal(model(images), model(images))


def reached_by_padding(downsampling: str) -> torch.Tensor:
    """Where the latents of a window differ from those of the same place within a larger image."""
    torch.manual_seed(0)
    encoder = Encoder(downsampling=downsampling).eval()
    image = torch.rand(1, 3, 22 * LATENT_PX, 22 * LATENT_PX)
    window = slice(6 * LATENT_PX, 16 * LATENT_PX)
    with torch.no_grad():
        within = encoder(image)[..., 6:16, 6:16]
        alone = encoder(image[..., window, window])
    return ((within - alone).abs() > 1e-5).any(dim=1)[0]


@pytest.mark.parametrize(("downsampling", "last"), [("stride", 1), ("max-pool", 2)])
def test_how_far_padding_reaches(downsampling, last):
    """Two latent px from the first border; from the last one or two; no farther."""
    expected = torch.ones(10, 10, dtype=torch.bool)
    expected[2 : 10 - last, 2 : 10 - last] = False
    assert torch.equal(reached_by_padding(downsampling), expected)
    assert max(2, last) == PADDED_LATENTS


@pytest.mark.parametrize("head", ["light", "paper"])
def test_dropped_latents_do_not_count(head):
    """With two dropped at each border, only the inner 2 x 2 of 6 x 6 latents make the logits."""
    model = HistoCAEClassifier(
        patch_px=96, head=head, dropout=0.5, downsampling="stride", border_latents=2
    ).eval()
    latents = torch.rand(1, 64, 6, 6)
    outer, inner = latents.clone(), latents.clone()
    outer[..., :2, :] = outer[..., 4:, :] = outer[..., :, :2] = outer[..., :, 4:] = 0
    inner[..., 3, 3] = 0
    with torch.no_grad():
        logits = model.classify(latents)
        assert torch.equal(model.classify(outer), logits)
        assert not torch.equal(model.classify(inner), logits)


def test_a_head_that_drops_nothing_is_the_papers():
    """Without the key every latent px counts, up to the corners."""
    model = HistoCAEClassifier(patch_px=48, head="light", dropout=0.5, downsampling="stride").eval()
    latents = torch.rand(1, 64, 3, 3)
    for corner in ((0, 0), (0, 2), (2, 0), (2, 2)):
        other = latents.clone()
        other[..., corner[0], corner[1]] += 1
        with torch.no_grad():
            assert not torch.equal(model.classify(other), model.classify(latents))


@pytest.mark.parametrize(
    ("patch_px", "border_latents", "side"), [(256, 2, 6), (256, 3, 5), (96, 1, 2), (80, 2, 1)]
)
def test_paper_head_of_what_is_left(patch_px, border_latents, side):
    """The dense layers are as wide as the latents that are left, halved by the convolution."""
    with torch.device("meta"):
        model = HistoCAEClassifier(
            patch_px=patch_px,
            head="paper",
            dropout=0.7,
            downsampling="stride",
            border_latents=border_latents,
        )
        assert model(torch.rand(2, 3, patch_px, patch_px)).shape == (2, 2)
    dense = next(layer for layer in model.head if isinstance(layer, nn.Linear))
    assert dense.in_features == 128 * side * side


@pytest.mark.parametrize("head", ["light", "paper"])
def test_a_border_that_leaves_no_latents(head):
    """Of 4 x 4 latents 2 at each border are all: an error that names the key."""
    with pytest.raises(
        InputError,
        match=r"^border_latents: 2 at each border leave nothing of the 4 latent px a side of a"
        r" patch of 64 px; lower it, or raise patch_px$",
    ):
        HistoCAEClassifier(
            patch_px=64, head=head, dropout=0.7, downsampling="stride", border_latents=2
        )
