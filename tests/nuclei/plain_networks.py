"""Networks for nuclei that say what can be computed by hand: of a px's own red."""

import torch
from torch import nn


class DarkPx(nn.Module):
    """A segmenter: px of little red are of nuclei, whatever lies around them."""

    reach_px, lattice_px = 0, 1

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(50.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, H, W) of images (B, 3, H, W)."""
        return self.sharpness * (0.5 - images[:, :1])


class DarkAround(DarkPx):
    """One that takes the mean of 5 x 5 px, and looks at images of four times four px."""

    reach_px, lattice_px = 2, 4

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, H, W) of images (B, 3, H, W), whose sides are multiples of 4."""
        assert not images.shape[-1] % self.lattice_px
        return super().forward(nn.functional.avg_pool2d(images, 5, stride=1, padding=2))


class Hue(nn.Module):
    """A classifier of two attributes: how red, and how blue, the middle of an image is."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of images (B, 3, side, side): above 0 from half the light on."""
        row, column = (side // 2 for side in images.shape[-2:])
        return self.sharpness * (images[:, [0, 2], row, column] - 0.5)
