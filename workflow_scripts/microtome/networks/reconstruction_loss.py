"""The reconstruction loss of HistoCAE: mean squared error, SSIM and mean absolute error."""

import torch
from torch import nn
from torch.nn import functional

_WINDOW_PX, _SIGMA_PX = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Structural similarity of images in [0, 1], averaged over pixels, channels and images.

    Wang et al. 2004: Gaussian window 11 x 11, sigma 1.5, K1 = 0.01, K2 = 0.03; borders that the
    window does not fill are left out.
    Images are (B, C, H, W), float, of at least 11 x 11 px; the result is float32.

    Examples
    --------
    Flat images differ in luminance alone: (2ab + 1e-4) / (a^2 + b^2 + 1e-4).

    >>> round(ssim(torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.6)).item(), 4)
    0.6001
    """
    with torch.autocast(first.device.type, enabled=False):  # variances cancel in half precision
        x, y = first.float().contiguous(), second.float().contiguous()
        mean_x, xx, xy = _blur(torch.stack([x, x * x, x * y]))
        mean_y, yy = _blur(torch.stack([y, y * y]))
        var_x, var_y, cov = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
        contrast_structure = (2 * cov + _C2) / (var_x + var_y + _C2)
        return (luminance * contrast_structure).mean()


def _blur(maps: torch.Tensor) -> torch.Tensor:
    """Gaussian means wherever the window fits: (..., H, W) -> (..., H - 10, W - 10).

    As two products with banded matrices: on a CPU several times faster, forward and above all
    backward, than convolving with one channel.
    """
    height, width = maps.shape[-2:]
    return _band(height, maps.device) @ maps @ _band(width, maps.device).T


def _band(size_px: int, device: torch.device) -> torch.Tensor:
    """Matrix (size - 10, size) whose rows hold the window, each one step further right."""
    starts = torch.arange(size_px - _WINDOW_PX + 1, device=device)
    offset = torch.arange(size_px, device=device) - starts.unsqueeze(1)
    weights = torch.exp(-((offset - _WINDOW_PX // 2) ** 2) / (2 * _SIGMA_PX**2))
    weights = weights * ((offset >= 0) & (offset < _WINDOW_PX))
    return weights / weights.sum(dim=1, keepdim=True)


class ReconstructionLoss(nn.Module):
    """lR = mse * MSE + ssim * (1 - SSIM) + mae * MAE (HistoCAE, reconstruction loss).

    HistoCAE1 has 0.5 of each; the other six variants leave parts out.
    """

    def __init__(self, *, mse: float, ssim: float, mae: float) -> None:
        super().__init__()
        self.weights = {"mse": mse, "ssim": ssim, "mae": mae}

    def forward(self, reconstruction: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Loss of a batch; both of shape (B, 3, H, W) in [0, 1]."""
        parts = {
            "mse": lambda: functional.mse_loss(reconstruction.float(), images),
            "ssim": lambda: 1 - ssim(reconstruction, images),
            "mae": lambda: functional.l1_loss(reconstruction.float(), images),
        }
        return sum(
            self.weights[name] * part() for name, part in parts.items() if self.weights[name]
        )
