"""Pixels as networks take them."""

import numpy as np
import torch


def to_images(pixels: np.ndarray) -> torch.Tensor:
    """RGB uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in [0, 1], channels last in memory."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
