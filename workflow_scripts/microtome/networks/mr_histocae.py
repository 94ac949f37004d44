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

    The paper has three spacings: 0.5, 1.0 and 2.0 µm/px. `dropout` is the share of units dropped
    after each dense layer; the encoders halve sizes by 'stride' or by 'max-pool'.
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
        latents = [cae.encoder(images[:, s]) for s, cae in enumerate(self.autoencoders)]
        vectors = [branch(z) for branch, z in zip(self.branches, latents, strict=True)]
        logits = self.dense(torch.cat(vectors, dim=1))
        if not reconstruct:
            return logits
        return logits, [cae.decoder(z) for cae, z in zip(self.autoencoders, latents, strict=True)]


def _branch() -> nn.Sequential:
    """Four convolutions of stride 2 to a vector of 512: (B, 64, h, w) -> (B, 512).

    Of patches of 256 px one px is left; of larger ones the mean is taken.
    """
    blocks: list[nn.Module] = []
    for before, after in pairwise((LATENT_DEPTH, *_BRANCH)):
        blocks += make_step(nn.Conv2d(before, after, 3, stride=2, padding=1))
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
