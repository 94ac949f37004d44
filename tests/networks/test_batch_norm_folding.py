"""Folding: fewer layers, the same function wherever padding does not reach."""

import copy

import pytest
import torch
from torch import nn

from microtome.networks.batch_norm_folding import fold_batch_norms


def settled(layers: nn.Sequential) -> nn.Sequential:
    """Give batch norms scales of both signs, shifts and statistics."""
    torch.manual_seed(0)
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, -2, 2)
            nn.init.uniform_(layer.bias, -1, 1)
            nn.init.uniform_(layer.running_mean, -1, 1)
            nn.init.uniform_(layer.running_var, 0.1, 2)
    return layers.eval()


@pytest.mark.parametrize("stride", [1, 2])
def test_the_same_function_without_padding(stride):
    """Convolution, ReLU, batch norm, convolution: equal up to rounding."""
    first, second = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 3, stride=stride)
    layers = settled(nn.Sequential(first, nn.ReLU(), nn.BatchNorm2d(5), second, nn.ReLU()))
    images = torch.rand(2, 3, 17, 19)
    fewer = fold_batch_norms(layers)
    assert [type(layer) for layer in fewer] == [nn.Conv2d, nn.ReLU, nn.Conv2d, nn.ReLU]
    torch.testing.assert_close(fewer(images), layers(images), rtol=1e-5, atol=1e-6)


def test_only_what_a_convolution_follows_is_folded():
    """A batch norm before a pooling, and one at the end, stay: they commute with nothing."""
    layers = settled(
        nn.Sequential(nn.BatchNorm2d(3), nn.MaxPool2d(2), nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    )
    images = torch.rand(1, 3, 8, 8)
    fewer = fold_batch_norms(layers)
    assert [type(layer) for layer in fewer] == [type(layer) for layer in layers]
    assert torch.equal(fewer(images), layers(images))


def test_padding_reaches_one_px():
    """Where the convolution pads, zeros mean another thing: there the result differs."""
    layers = settled(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1)))
    images = torch.rand(1, 3, 8, 8)
    difference = (fold_batch_norms(layers)(images) - layers(images)).abs().amax(dim=(0, 1))
    assert difference[1:-1, 1:-1].max() < 1e-5
    assert difference[0].min() > 1e-3


def test_the_original_is_left_as_it_is():
    """A network that goes on training keeps its layers, weights and mode."""
    layers = settled(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3))).train()
    before = copy.deepcopy(layers.state_dict())
    assert not fold_batch_norms(layers).training
    assert layers.training
    assert all(torch.equal(value, before[key]) for key, value in layers.state_dict().items())
