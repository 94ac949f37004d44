"""UNet++: a decoder of nested, dense skip connections whose four outputs are averaged.

Zhou et al., "UNet++: a nested U-Net architecture for medical image segmentation" (2018), section 3,
as the joint classification and segmentation of liver slides has it (2022, section 3.4): transposed
convolutions up, and the mean of all decoder outputs' probabilities as the result.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import logsigmoid

# Depths of the decoder's nodes at strides 2, 4, 8 and 16: those of UNet++.
_WIDTHS = (32, 64, 128, 256)
# Depth at full size, half of that at stride 2.
_HEAD = 16


def make_node(inputs: int, outputs: int) -> nn.Sequential:
    """Two times convolution 3 x 3, batch norm, ReLU: (B, inputs, h, w) -> (B, outputs, h, w)."""
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        conv = nn.Conv2d(before, outputs, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def make_up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Transposed convolution: (B, inputs, h, w) -> (B, outputs, 2h, 2w)."""
    return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)


def make_head(inputs: int) -> nn.Sequential:
    """One logit a pixel at twice the size: (B, inputs, h, w) -> (B, 1, 2h, 2w).

    The ReLU is a choice: without it both convolutions would be one.
    """
    return nn.Sequential(make_up(inputs, _HEAD), nn.ReLU(inplace=True), nn.Conv2d(_HEAD, 1, 1))


def average_outputs(logits: Sequence[torch.Tensor]) -> torch.Tensor:
    """Two-class logits whose softmax is the mean of the sigmoids of several logits.

    They are the logarithms of the mean probability and of what it lacks to 1, computed without
    leaving log space, so that logits of any size have finite gradients.

    (B, 1, H, W) each, of tumour, become (B, 2, H, W), float32, of {not tumour, tumour}.

    Examples
    --------
    Sigmoids of 0 and log 3 are 1/2 and 3/4; their mean is 5/8.

    >>> heads = [torch.full((1, 1, 1, 1), value) for value in (0.0, math.log(3))]
    >>> average_outputs(heads).exp().flatten().tolist()
    [0.375, 0.625]
    """
    outputs = torch.cat(list(logits), dim=1).float()  # (B, n, H, W)
    both = torch.stack([logsigmoid(-outputs), logsigmoid(outputs)], dim=1)  # (B, 2, n, H, W)
    return both.logsumexp(dim=2) - math.log(len(logits))


class UNetPlusPlus(nn.Module):
    """Node X(i, j) is two convolutions of X(i, 0) ... X(i, j-1) and of X(i+1, j-1), enlarged.

    X(i, 0) are the encoder's features of strides 2, 4, 8, 16 and 32, a choice: how the paper uses
    EfficientNet's five scales its figure does not say. A transposed convolution enlarges and sets
    the depth. X(0, 1) ... X(0, 4) each go on to full size through a head of their own; the mean of
    their four probabilities is the network's, in training and after (section 3.4).

    The `encoder` gives six features a batch, of strides 1, 2, 4, 8, 16, 32 px and depths
    ``out_channels``; the first is not used.
    """

    def __init__(self, *, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        depths = encoder.out_channels[1:]
        # What comes up from a level: the encoder's own features, or a node's.
        self.ups, self.nodes = nn.ModuleDict(), nn.ModuleDict()
        for j in range(1, len(depths)):
            for i in range(len(depths) - j):
                below = depths[i + 1] if j == 1 else _WIDTHS[i + 1]
                width = _WIDTHS[i]
                self.ups[_name(i, j)] = make_up(below, width)
                self.nodes[_name(i, j)] = make_node(depths[i] + j * width, width)
        self.heads = nn.ModuleList(make_head(_WIDTHS[0]) for _ in depths[1:])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, H, W), float32, of normalized images (B, 3, H, W)."""
        levels = [[features] for features in self.encoder(images)[1:]]
        for j in range(1, len(levels)):
            for i in range(len(levels) - j):
                larger = self.ups[_name(i, j)](levels[i + 1][j - 1])
                levels[i].append(self.nodes[_name(i, j)](torch.cat([*levels[i], larger], dim=1)))
        outputs = [out(x) for out, x in zip(self.heads, levels[0][1:], strict=True)]
        return average_outputs(outputs)


def _name(i: int, j: int) -> str:
    return f"{i}_{j}"
