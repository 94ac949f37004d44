"""Sparsity by a threshold that follows the values: which few of them are let through.

Hou et al., "Sparse autoencoder for unsupervised nucleus detection and representation in
histopathology images" (2019), section 4.3.2, equations 6 and 7.
"""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

SLOPE = 20.0  # r: so steep that the sigmoid gives 0 or 1 in practice
_MOMENTUM = 0.1  # alpha


def full_precision(device: torch.device) -> AbstractContextManager:
    """Switch mixed precision off: what is inside computes in the type of its inputs.

    Where the values are near 2, bfloat16 has steps of 0.016, which the sigmoid of slope 20 makes
    steps of up to 0.08.
    """
    # Mixed precision is unknown where tensors have shapes and no values.
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def upper_percentile(values: torch.Tensor, percent: float) -> torch.Tensor:
    """What `percent` % of the values of each image exceed: (B, ...) -> (B,).

    It is NumPy's percentile (100 - `percent`), interpolated linearly.

    Examples
    --------
    >>> upper_percentile(torch.arange(101.0).reshape(1, 101), 1.5)
    tensor([98.5000])
    """
    flat = values.flatten(1)
    # Rounded, since 100 - 98.4 is not quite 1.6: a whole rank must not fall just below itself.
    rank = round((flat.shape[1] - 1) * (100 - percent) / 100, 9)
    below = math.floor(rank)
    largest = flat.topk(flat.shape[1] - below).values
    above = largest[:, max(largest.shape[1] - 2, 0)]
    return torch.lerp(largest[:, -1], above, rank - below)


class RunningThreshold(nn.Module):
    """Values less a threshold t that, on average over images, `percent` % of them exceed.

    In training, t <- 0.9 t + 0.1 m from t = 0 on, where m is the mean, over the images of the
    batch, of the percentile (100 - `percent`) of the image's values. In evaluation, and always if
    it is `fixed`, t stays as it is. No gradient goes through it, and it is float32 whatever
    precision the network computes in.
    """

    def __init__(self, *, percent: float, fixed: bool = False) -> None:
        super().__init__()
        self.percent = percent
        self.fixed = fixed
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Values (B, ...) less t, float32, of the same shape."""
        values = values.float()
        if self.training and not self.fixed:
            mean = upper_percentile(values.detach(), self.percent).mean()
            self.threshold.lerp_(mean, _MOMENTUM)
        return values - self.threshold


class DetectionThreshold(RunningThreshold):
    """Part 5: D = sigmoid(r (D' - t)), equation 6; (B, 1, h, w) -> the same in [0, 1].

    `slope` is r, the paper's 20 if not given. The other parameters are those of `RunningThreshold`.
    """

    def __init__(self, *, percent: float, fixed: bool = False, slope: float = SLOPE) -> None:
        super().__init__(percent=percent, fixed=fixed)
        self.slope = slope

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Detection map, float32, of its values before the threshold."""
        return torch.sigmoid(self.slope * super().forward(values))


class SparseReLU(RunningThreshold):
    """Part 6 of SP-CNN (section 5.5): D = ReLU(D' - t); (B, maps, h, w) -> the same."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Sparse maps, float32, of dense ones: t is one number for all maps."""
        return torch.relu(super().forward(values))


class Crosswise(nn.Module):
    """Part 6: X = X' * D, equation 5: where nothing is detected, all maps are 0."""

    def forward(self, dense: torch.Tensor, detection: torch.Tensor) -> torch.Tensor:
        """Foreground (B, maps, h, w), float32, of dense maps and their detection (B, 1, h, w)."""
        return dense * detection
