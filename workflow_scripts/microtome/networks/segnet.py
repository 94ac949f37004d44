"""SegNet: a decoder that puts features back where the encoder's maxima were.

Badrinarayanan et al., "SegNet: a deep convolutional encoder-decoder architecture for image
segmentation" (2017), section 3.
"""

import torch
from torch import nn
from torch.nn.functional import max_pool2d, max_unpool2d

# Outputs of the convolutions, stage by stage, from the smallest maps on: the encoder mirrored.
_DECODER = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))


def make_step(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution, batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class SegNet(nn.Module):
    """13 convolutions down, 13 up: images (B, 3, H, W) -> logits (B, 2, H, W).

    The `encoder` is VGG-16 with batch norm: its `features` are convolution, batch norm, ReLU and
    max pooling.
    """

    def __init__(self, *, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = nn.ModuleList()
        before = 512
        for depths in _DECODER:
            layers: list[nn.Module] = []
            for depth in depths:
                layers += make_step(before, depth)
                before = depth
            self.decoder.append(nn.Sequential(*layers))
        self.head = nn.Conv2d(before, 2, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, H, W) of normalized images (B, 3, H, W); sides from 32 px up."""
        x, pooled = images, []
        for layer in self.encoder.features:
            if isinstance(layer, nn.MaxPool2d):
                size = x.shape[-2:]
                x, places = max_pool2d(x, 2, return_indices=True)
                pooled.append((places, size))
            else:
                x = layer(x)
        for stage, (places, size) in zip(self.decoder, reversed(pooled), strict=True):
            x = stage(max_unpool2d(x, places, 2, output_size=size))
        return self.head(x)
