"""RefineNet: its units, pooling and fusion by hand."""

import torch
from torch import nn

from helpers.networks import conv, n_weights
from microtome.networks.refinenet import (
    ChainedResidualPooling,
    RefineBlock,
    RefineNet,
    ResidualConvUnit,
)


def refinenet_weights(depths: list[int]) -> int:
    """Count RefineNet's weights behind an encoder of these depths, of strides 4 to 32."""
    reductions = sum(conv(d, 256, bias=False) for d in depths[:3])
    reductions += conv(depths[3], 512, bias=False)

    def unit(depth):
        return 2 * conv(depth, depth)

    # Two units a path, fusion, two pooling steps, a unit.
    coarsest = 2 * unit(512) + 2 * conv(512, 512) + unit(512)
    end = 2 * conv(256, 256) + unit(256)
    third = 2 * unit(256) + 2 * unit(512) + conv(256, 256) + conv(512, 256) + end
    finer = 4 * unit(256) + 2 * conv(256, 256) + end
    return reductions + coarsest + third + 2 * finer + 2 * unit(256) + conv(256, 2)


def pass_on(convolution: nn.Conv2d) -> None:
    """Make a convolution give back its input."""
    nn.init.dirac_(convolution.weight)
    nn.init.zeros_(convolution.bias)


def silence(module: nn.Module) -> None:
    """Make every convolution in a module give zeros."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)


def test_residual_unit_by_hand():
    """What came in, plus two ReLUs and convolutions of it: -1 stays -1, 2 becomes 4."""
    unit = ResidualConvUnit(1)
    pass_on(unit[1])
    pass_on(unit[3])
    x = torch.tensor([-1.0, 2.0]).reshape(1, 1, 1, 2)
    assert unit(x).flatten().tolist() == [-1, 4]
    assert x.flatten().tolist() == [-1, 2]


def test_chained_pooling_by_hand():
    """A point of 1 counts three times at its place, twice within 2 px and once within 4 px."""
    pooling = ChainedResidualPooling(1)
    for link in pooling.links:
        pass_on(link[1])
    x = torch.full((1, 1, 11, 11), -1.0)
    x[..., 5, 5] = 1
    row = [0, 1, 1, 2, 2, 3, 2, 2, 1, 1, 0]
    assert pooling(x)[0, 0, 5].tolist() == row
    assert pooling(x)[0, 0, :, 5].tolist() == row


def test_paths_are_enlarged_and_added():
    """A coarse path is interpolated to the finest and added; here 1 + (0 to 4, bilinear)."""
    block = RefineBlock((1, 1), depth=1)
    silence(block)
    for fuse in block.fusion:
        pass_on(fuse)
    coarse = torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 2)
    found = block([torch.ones(1, 1, 2, 4), coarse])
    assert found[0, 0].tolist() == [[1, 2, 4, 5]] * 2


def test_single_path_is_not_fused():
    """The coarsest block has no fusion; with silent convolutions it is a ReLU."""
    block = RefineBlock((2,), depth=2)
    assert not block.fusion
    silence(block)
    x = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block([x]), x.relu())


class Stages(nn.Module):
    """An encoder of given features, each to be differentiated by."""

    out_channels = (3, 4, 4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.stages = [
            torch.randn(1, depth, 64 >> i, 64 >> i, generator=generator).requires_grad_()
            for i, depth in enumerate(self.out_channels)
        ]

    def forward(self, _images):
        """Give the same features for all images."""
        return self.stages


def test_refinenet_uses_the_four_coarsest_stages():
    """Every part of the features of strides 4, 8, 16 and 32 bears on the logits, finer ones not."""
    encoder = Stages()
    model = RefineNet(encoder=encoder)
    model(torch.rand(1, 3, 64, 64)).square().sum().backward()
    assert [stage.grad is not None for stage in encoder.stages] == [False, False] + [True] * 4
    assert all(stage.grad.ne(0).any(1).all() for stage in encoder.stages[2:])
    assert n_weights(model) == refinenet_weights([4, 8, 16, 32])
