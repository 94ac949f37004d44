"""RefineNet: coarse features refined step by step by finer ones.

Lin et al., "RefineNet: multi-path refinement networks for high-resolution semantic segmentation"
(2017), section 3 and figure 3.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import interpolate

# Depth of the block behind the smallest features, and of the three others.
_COARSEST, _FINER = 512, 256


def make_conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Convolution 3 x 3 that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def resize(x: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Bilinear interpolation of (B, C, h, w) to (B, C, *size)."""
    return interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class ResidualConvUnit(nn.Sequential):
    """ReLU, convolution, ReLU, convolution, added to what came in; no batch norm."""

    def __init__(self, depth: int) -> None:
        super().__init__(nn.ReLU(), make_conv(depth, depth), nn.ReLU(), make_conv(depth, depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return x + super().forward(x)


class ChainedResidualPooling(nn.Module):
    """Two times maximum over 5 x 5 px and convolution, one behind the other, all results added."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.links = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(5, stride=1, padding=2), make_conv(depth, depth))
            for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        x = total = torch.relu(x)
        for link in self.links:
            x = link(x)
            total = total + x
        return total


class RefineBlock(nn.Module):
    """One RefineNet: residual units for each path, fusion, chained pooling, a residual unit.

    `depths` are the channels of the paths, the finest first (the features of the encoder are one of
    them), `depth` those that come out.
    """

    def __init__(self, depths: Sequence[int], *, depth: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(ResidualConvUnit(d), ResidualConvUnit(d)) for d in depths
        )
        # A path that comes alone is fused with nothing and goes through as it is.
        self.fusion = nn.ModuleList(make_conv(d, depth) for d in depths if len(depths) > 1)
        self.pooling = ChainedResidualPooling(depth)
        self.out = ResidualConvUnit(depth)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Refine features (B, C, h, w), the finest first, into (B, depth, h, w) of the finest."""
        size = features[0].shape[-2:]
        refined = [path(x) for path, x in zip(self.paths, features, strict=True)]
        if self.fusion:
            fused = [fuse(x) for fuse, x in zip(self.fusion, refined, strict=True)]
            refined = [resize(x, size) for x in fused]
        return self.out(self.pooling(sum(refined[1:], start=refined[0])))


class RefineNet(nn.Module):
    """Four RefineNets in a cascade over four stages of an encoder, the coarsest first.

    The `encoder` gives six features a batch, of strides 1, 2, 4, 8, 16, 32 px and depths
    ``out_channels``; the last four are used.
    """

    def __init__(self, *, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        widths = (_FINER, _FINER, _FINER, _COARSEST)
        # As many channels as the encoder has are too many to refine.
        self.reductions = nn.ModuleList(
            nn.Conv2d(inputs, width, 3, padding=1, bias=False)
            for inputs, width in zip(encoder.out_channels[2:], widths, strict=True)
        )
        paths = ((_FINER, _FINER), (_FINER, _FINER), (_FINER, _COARSEST), (_COARSEST,))
        self.blocks = nn.ModuleList(RefineBlock(depths, depth=depths[0]) for depths in paths)
        # Two more units make the same sequence of three as between two blocks.
        self.head = nn.Sequential(
            ResidualConvUnit(_FINER), ResidualConvUnit(_FINER), make_conv(_FINER, 2)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, H, W) of normalized images (B, 3, H, W)."""
        stages = self.encoder(images)[2:]
        features = [reduce(x) for reduce, x in zip(self.reductions, stages, strict=True)]
        x = self.blocks[-1]([features[-1]])
        for block, finer in zip(self.blocks[-2::-1], features[-2::-1], strict=True):
            x = block([finer, x])
        return resize(self.head(x), images.shape[-2:])
