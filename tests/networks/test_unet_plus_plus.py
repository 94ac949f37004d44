"""UNet++: nodes and heads as the equations have them, and the average of the heads."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from torch import nn

from helpers.networks import n_weights, patches, step
from microtome.networks.unet_plus_plus import (
    UNetPlusPlus,
    average_outputs,
    make_head,
    make_node,
    make_up,
)

DEPTHS = (5, 6, 7, 8, 9)


class Stages(nn.Module):
    """An encoder of poolings: each stage is the one before, halved, with channels repeated."""

    out_channels = (3, *DEPTHS)

    def forward(self, images):
        """Give six features of strides 1 to 32."""
        features = [images]
        for i, depth in enumerate(DEPTHS):
            pooled = nn.functional.avg_pool2d(images, 2 << i)
            features.append(pooled.repeat(1, math.ceil(depth / 3), 1, 1)[:, :depth])
        return features


@pytest.fixture(scope="module")
def model():
    """Build a network in evaluation mode."""
    torch.manual_seed(0)
    return UNetPlusPlus(encoder=Stages()).eval()


@pytest.fixture(scope="module")
def images():
    """Two patches, wider than high."""
    return patches(2, 64, 96)


def test_node_by_its_layers():
    """A node is two times convolution 3 x 3, batch norm and ReLU; the first sets the depth."""
    layers = make_node(7, 4)
    assert [type(m) for m in layers] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    convs = [m for m in layers if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convs] == [(7, 4), (4, 4)]
    assert all(m.kernel_size == (3, 3) for m in convs)


def test_way_up_by_hand():
    """A transposed convolution without overlap: each pixel times the 2 x 2 weights, plus bias."""
    module = make_up(1, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2], [3, 4]]).reshape(1, 1, 2, 2))
        module.bias.fill_(0.5)
        found = module(torch.tensor([10.0, 100]).reshape(1, 1, 1, 2))
    assert found[0, 0].tolist() == [[10.5, 20.5, 100.5, 200.5], [30.5, 40.5, 300.5, 400.5]]


def test_head_is_not_linear():
    """Between its two convolutions is a ReLU: what is negative there leaves the bias alone."""
    module = make_head(2)
    nn.init.constant_(module[0].weight, -1)
    nn.init.zeros_(module[0].bias)
    found = module(torch.rand(1, 2, 3, 3) + 0.1)
    assert found.shape == (1, 1, 6, 6)
    assert torch.equal(found, module[2].bias.expand(1, 1, 6, 6).reshape(1, 1, 6, 6))


def outputs_of(model: UNetPlusPlus, images: torch.Tensor) -> list[torch.Tensor]:
    """Write down X(0, 1) ... X(0, 4) equation by equation."""

    def x(i, j, *inputs):
        *same, below = inputs
        enlarged = model.ups[f"{i}_{j}"](below)
        return model.nodes[f"{i}_{j}"](torch.cat([*same, enlarged], 1))

    _, x00, x10, x20, x30, x40 = model.encoder(images)
    x01, x11, x21, x31 = x(0, 1, x00, x10), x(1, 1, x10, x20), x(2, 1, x20, x30), x(3, 1, x30, x40)
    x02, x12, x22 = x(0, 2, x00, x01, x11), x(1, 2, x10, x11, x21), x(2, 2, x20, x21, x31)
    x03, x13 = x(0, 3, x00, x01, x02, x12), x(1, 3, x10, x11, x12, x22)
    return [x01, x02, x03, x(0, 4, x00, x01, x02, x03, x13)]


def test_softmax_is_the_mean_of_the_heads(model, images):
    """Each X(0, j) has a head; the probability of tumour is the mean of their sigmoids."""
    with torch.no_grad():
        heads = [out(x) for out, x in zip(model.heads, outputs_of(model, images), strict=True)]
        expected = torch.cat([h.sigmoid() for h in heads], 1).mean(1)
        found = model(images).softmax(1)
    torch.testing.assert_close(found[:, 1], expected)
    torch.testing.assert_close(found[:, 0], 1 - expected)


@settings(max_examples=50)
@given(arrays(np.float32, (3, 4), elements=st.floats(-30, 30, width=32)))
def test_average_agrees_with_float64(logits):
    """Probabilities and logarithms are those of the mean of sigmoids, also near 0 and 1."""
    found = average_outputs([torch.from_numpy(row).reshape(1, 1, 1, 4) for row in logits])[0, :, 0]
    wide = logits.astype(np.float64)
    expected = np.log([expit(-wide).mean(0), expit(wide).mean(0)])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


SURE, SURE_NOT, OPPOSED = [1e4] * 4, [-1e4] * 4, [-1e4, 1e4]


@pytest.mark.parametrize(
    ("values", "truth", "tumour", "slope"),
    [
        (SURE, 1, 1, 0),
        (SURE, 0, 1, 1),
        (SURE_NOT, 0, 0, 0),
        (SURE_NOT, 1, 0, -1),
        (OPPOSED, 1, 0.5, 0),
    ],
)
def test_saturated_heads_have_finite_gradients(values, truth, tumour, slope):
    """Heads that are quite sure, of one mind or not, have a gradient of 1 in all only if wrong."""
    logits = [torch.full((1, 1, 1, 1), value).requires_grad_() for value in values]
    found = average_outputs(logits)
    assert found.softmax(1).flatten().tolist() == [1 - tumour, tumour]
    nn.functional.cross_entropy(found, torch.full((1, 1, 1), truth)).backward()
    # Of 10 000 + log 4 float32 keeps three decimals.
    assert sum(x.grad.item() for x in logits) == pytest.approx(slope, abs=1e-3)


def test_float32_under_autocast(model, images):
    """In mixed precision the heads' logits are averaged in float32."""
    seen = []
    hook = model.heads[0].register_forward_hook(lambda *args: seen.append(args[2].dtype))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images)
    hook.remove()
    assert seen == [torch.bfloat16]
    assert logits.dtype == torch.float32
    # Rounded to bfloat16 they would be off by some 1e-3.
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(2, 64, 96), rtol=0, atol=1e-5)


def test_number_of_weights_behind_efficientnet_b0():
    """The decoder of depths 32, 64, 128, 256 has as many weights as counted by hand."""
    encoder = nn.Module()
    encoder.out_channels = (3, 32, 24, 40, 112, 320)
    skips, depths = encoder.out_channels[1:], (32, 64, 128, 256)
    total = 4 * ((4 * 32 * 16 + 16) + (16 + 1))  # heads
    for i, depth in enumerate(depths):
        for j in range(1, 5 - i):
            below = skips[i + 1] if j == 1 else depths[i + 1]
            total += 4 * below * depth + depth  # 2 x 2 weights and a bias a channel
            total += step(skips[i] + j * depth, depth) + step(depth, depth)
    with torch.device("meta"):
        model = UNetPlusPlus(encoder=encoder)
    assert n_weights(model) == total == 3_438_276
