"""Patches turned by any angle, of whole batches on the device that trains.

Roy et al. 2021 (HistoCAE, "Datasets and evaluation metrics"): the random rotation of Keras, said of
the autoencoder alone and without its range. The eight symmetries of a square, which every training
patch has a share of, are those of `microtome.training.batches.turn`.
"""

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample


def draw_angles(
    n: int, *, degrees: float, seed: int, epoch: int, batch: int, share: tuple[int, int] = (0, 1)
) -> np.ndarray:
    """Draw by how much the n patches of a batch are turned, uniform within `degrees` either way.

    In radians, float32; they follow from seed, epoch and batch alone. With a `share` (number, of)
    they are those of every `of`-th patch, from patch `number` on.
    """
    generator = np.random.default_rng([seed, epoch, 3, batch])
    number, of = share
    angles = np.radians(generator.uniform(-degrees, degrees, n))
    return angles[number::of].astype(np.float32)


def rotate(images: torch.Tensor, angles: np.ndarray) -> torch.Tensor:
    """Turn square images about their middle against the clock, each by its angle in radians.

    What comes in from beyond the edge is the nearest px, as Keras fills it.

    Parameters
    ----------
    images : Tensor of shape (B, ..., side, side)
        Images, float32, interpolated between px, all that are of one patch alike; or maps of
        classes, uint8, whose nearest px is taken. Those that are returned are new, of the same
        shape, dtype and order in memory.
    angles : ndarray of shape (B,), float32

    Examples
    --------
    >>> images = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> rotate(images, np.float32([np.pi / 2])).round(decimals=4).tolist()
    [[[[2.0, 4.0], [1.0, 3.0]]]]
    """
    cos, sin = np.cos(angles), np.sin(angles)
    nothing = np.zeros_like(cos)
    # Where each px comes from; y points down.
    matrices = np.stack([cos, -sin, nothing, sin, cos, nothing], axis=1).reshape(-1, 2, 3)
    planes = images.reshape(len(images), -1, *images.shape[-2:])
    places = affine_grid(
        torch.from_numpy(matrices).to(images.device), list(planes.shape), align_corners=False
    )
    turned = grid_sample(
        planes.float(),
        places,
        mode="bilinear" if images.is_floating_point() else "nearest",
        padding_mode="border",
        align_corners=False,
    )
    return torch.empty_like(images).copy_(turned.reshape(images.shape))
