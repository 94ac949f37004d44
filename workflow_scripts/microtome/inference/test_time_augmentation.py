"""Turns and flips of images while predicting, each undone on the map that comes of it."""

import torch

# Quarter turns against the clock, then whether left and right change places.
_SYMMETRIES = {
    "rotate_90": (1, False),
    "rotate_180": (2, False),
    "rotate_270": (3, False),
    "flip_horizontal": (0, True),
    "flip_vertical": (2, True),
}
NAMES = tuple(_SYMMETRIES)


def turned(images: torch.Tensor, name: str) -> torch.Tensor:
    """Turn or flip images.

    Parameters
    ----------
    images : Tensor of shape (..., side, side)
        Square images or maps.
    name : {'rotate_90', 'rotate_180', 'rotate_270', 'flip_horizontal', 'flip_vertical'}
        Turns are against the clock; a horizontal flip changes left and right.

    Returns
    -------
    Tensor of shape (..., side, side)
    """
    quarters, is_flipped = _SYMMETRIES[name]
    found = torch.rot90(images, quarters, (-2, -1)) if quarters else images
    return found.flip(-1) if is_flipped else found


def turned_back(maps: torch.Tensor, name: str) -> torch.Tensor:
    """The inverse of `turned`, for what a network makes of a turned image."""
    quarters, is_flipped = _SYMMETRIES[name]
    found = maps.flip(-1) if is_flipped else maps
    return torch.rot90(found, -quarters, (-2, -1)) if quarters else found
