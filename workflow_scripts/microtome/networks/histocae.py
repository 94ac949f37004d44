"""HistoCAE: a convolutional autoencoder of patches and the classifier that starts from it.

Roy et al., "Convolutional autoencoder based model HistoCAE for segmentation of viable tumor regions
in liver whole-slide images" (2021), methods and figure 2.
"""

from itertools import pairwise

import torch
from torch import nn

from microtome.errors import InputError

_ENCODER = (16, 32, 64, 64)
_DECODER = (64, 32, 16, 16)
LATENT_DEPTH = _ENCODER[-1]
LATENT_PX = 2 ** len(_ENCODER)  # image px a side of a latent px
# Latent px from a border that the encoder's zero padding reaches. Of n px that padding has touched
# a convolution makes n + 1. Of these its stride makes (n + 1) // 2 + 1 at the first border, where
# it pads once more, and (n + 2) // 2 at the last; the other convolution and the pooling make
# (n + 3) // 2 at both. Block by block from 0: 1, 2, 2, 2; at the last border of strides 1, 1, 1, 1.
PADDED_LATENTS = 2


def make_step(conv: nn.Module) -> list[nn.Module]:
    """Convolution, ReLU, batch norm: in this order, as the paper has it."""
    return [conv, nn.ReLU(inplace=True), nn.BatchNorm2d(conv.out_channels)]


class Encoder(nn.Sequential):
    """Four blocks of two convolutions: (B, 3, H, W) -> (B, 64, H / 16, W / 16).

    By `downsampling` the size is halved in each block: 'stride', of the second convolution, or, for
    the paper's ablation (table S4), 'max-pool', a maximum over 2 x 2 px behind it.
    """

    def __init__(self, *, downsampling: str) -> None:
        blocks: list[nn.Module] = []
        before = 3
        for depth in _ENCODER:
            blocks += make_step(nn.Conv2d(before, depth, 3, padding=1))
            if downsampling == "stride":
                blocks += make_step(nn.Conv2d(depth, depth, 3, stride=2, padding=1))
            else:
                blocks += [*make_step(nn.Conv2d(depth, depth, 3, padding=1)), nn.MaxPool2d(2)]
            before = depth
        super().__init__(*blocks)


class Decoder(nn.Sequential):
    """Four deconvolution blocks back to pixels: (B, 64, h, w) -> (B, 3, 16 h, 16 w) in [0, 1]."""

    def __init__(self) -> None:
        blocks: list[nn.Module] = []
        before = LATENT_DEPTH
        for depth in _DECODER:
            up = nn.ConvTranspose2d(before, depth, 3, stride=2, padding=1, output_padding=1)
            blocks += make_step(up)
            blocks += make_step(nn.Conv2d(depth, depth, 3, padding=1))
            before = depth
        super().__init__(*blocks, nn.Conv2d(before, 3, 3, padding=1), nn.Sigmoid())


class HistoCAE(nn.Module):
    """The autoencoder, whose encoder halves sizes by 'stride' or by 'max-pool'.

    Examples
    --------
    >>> autoencoder = HistoCAE(downsampling="stride")
    >>> images = torch.zeros(1, 3, 256, 256)
    >>> autoencoder.encoder(images).shape, autoencoder(images).shape
    (torch.Size([1, 64, 16, 16]), torch.Size([1, 3, 256, 256]))
    """

    def __init__(self, *, downsampling: str) -> None:
        super().__init__()
        self.encoder = Encoder(downsampling=downsampling)
        self.decoder = Decoder()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Reconstruct images (B, 3, H, W) in [0, 1]; H and W are multiples of 16."""
        return self.decoder(self.encoder(images))


class HistoCAEClassifier(nn.Module):
    """The encoder, one convolution, dense layers with dropout: logits of {not tumour, tumour}.

    InputError if no latent px is left.

    Parameters
    ----------
    patch_px : int
        Side of the patches; fixes the size of the paper's dense layers.
    head : {'light', 'paper'}
        'paper': convolution 128 of stride 2, dense 4096, 4096, 256 (the authors' code; 52 million
        weights at 256 px). 'light': the same convolution, mean over the patch, dense 256.
    dropout, downsampling
        Share of units dropped after each dense layer, and how the encoder halves sizes.
    border_latents : int
        Latent px that the head drops at each border before its convolution; the paper drops none.
        From `PADDED_LATENTS` on, no logit depends on the encoder's padding, and neighbours can
        share their latents (`microtome.inference.shared_encoding`).
    """

    def __init__(
        self,
        *,
        patch_px: int,
        head: str,
        dropout: float,
        downsampling: str,
        border_latents: int = 0,
    ) -> None:
        super().__init__()
        side = -(-patch_px // LATENT_PX) - 2 * border_latents
        if side < 1:
            raise InputError(
                f"border_latents: {border_latents} at each border leave nothing of the"
                f" {side + 2 * border_latents} latent px a side of a patch of {patch_px} px;"
                " lower it, or raise patch_px"
            )
        self.border_latents = border_latents
        self.encoder = Encoder(downsampling=downsampling)
        conv = make_step(nn.Conv2d(LATENT_DEPTH, 128, 3, stride=2, padding=1))
        if head == "paper":
            pool: list[nn.Module] = []
            widths = (128 * (-(-side // 2)) ** 2, 4096, 4096, 256)
        else:
            pool = [nn.AdaptiveAvgPool2d(1)]
            widths = (128, 256)
        dense: list[nn.Module] = []
        for before, after in pairwise(widths):
            dense += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.head = nn.Sequential(*conv, *pool, nn.Flatten(), *dense, nn.Linear(widths[-1], 2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of images (B, 3, H, W) in [0, 1]."""
        return self.classify(self.encoder(images))

    def classify(self, latents: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of the latents of whole patches, (B, 64, H / 16, W / 16)."""
        height, width = latents.shape[-2:]
        first = self.border_latents
        return self.head(latents[..., first : height - first, first : width - first])
