"""MR-HistoCAE: autoencoders of co-centred patches at several spacings, and one classifier of all.

Roy et al. 2021, section "Multi-resolution extension: MR-HistoCAE" and figure 2.
"""

from itertools import pairwise

import torch
from torch import nn

from microtome.networks.histocae import LATENT_DEPTH, HistoCAE, make_step

_BRANCH = (128, 256, 512, 512)
# The paper says that there are three dense layers, not how wide they are.
_DENSE = (512, 256, 128)


class MRHistoCAE(nn.Module):
    """Three autoencoders, a branch behind each latent, dense layers over all branches.

    Parameters
    ----------
    n_spacings : int
        How many spacings; the paper has three: 0.5, 1.0 and 2.0 µm/px.
    dropout : float
        Share of units dropped after each dense layer.
    downsampling : {'stride', 'max-pool'}
        What halves the size in each block of the encoders.
    """

    def __init__(self, *, n_spacings: int, dropout: float, downsampling: str) -> None:
        super().__init__()
        spacings = range(n_spacings)
        self.autoencoders = nn.ModuleList(HistoCAE(downsampling=downsampling) for _ in spacings)
        self.branches = nn.ModuleList(_branch() for _ in spacings)
        dense: list[nn.Module] = []
        for before, after in pairwise((_BRANCH[-1] * n_spacings, *_DENSE)):
            dense += [nn.Linear(before, after), nn.ReLU(inplace=True), nn.BatchNorm1d(after)]
            dense += [nn.Dropout(dropout)]
        self.dense = nn.Sequential(*dense, nn.Linear(_DENSE[-1], 2))

    def forward(
        self, images: torch.Tensor, *, reconstruct: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits (B, 2) of images (B, spacings, 3, H, W) in [0, 1].

        With `reconstruct` also the reconstructions of each spacing, (B, 3, H, W) in [0, 1]: what
        training compares with the images.
        """
        latents = self.encode(images)
        logits = self.classify(latents)
        return (logits, self.decode(latents)) if reconstruct else logits

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Latents of each spacing, (B, 64, H / 16, W / 16)."""
        return [cae.encoder(images[:, s]) for s, cae in enumerate(self.autoencoders)]

    def decode(self, latents: list[torch.Tensor]) -> list[torch.Tensor]:
        """Reconstructions of each spacing, (B, 3, H, W) in [0, 1]."""
        return [cae.decoder(z) for cae, z in zip(self.autoencoders, latents, strict=True)]

    def classify(self, latents: list[torch.Tensor]) -> torch.Tensor:
        """Logits (B, 2) of the latents of all spacings."""
        vectors = [branch(z) for branch, z in zip(self.branches, latents, strict=True)]
        return self.dense(torch.cat(vectors, dim=1))


def _branch() -> nn.Sequential:
    """Four convolutions of stride 2 to a vector of 512: (B, 64, h, w) -> (B, 512).

    Of patches of 256 px one px is left; of larger ones the mean is taken.
    """
    blocks: list[nn.Module] = []
    for before, after in pairwise((LATENT_DEPTH, *_BRANCH)):
        blocks += make_step(nn.Conv2d(before, after, 3, stride=2, padding=1))
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
