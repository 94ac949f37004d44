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


def turn(images: torch.Tensor, name: str) -> torch.Tensor:
    """Turn square images (..., side, side) against the clock, or flip them.

    A horizontal flip changes left and right.

    Examples
    --------
    >>> turn(torch.tensor([[1, 2], [3, 4]]), "rotate_90").tolist()
    [[2, 4], [1, 3]]
    """
    quarters, is_flipped = _SYMMETRIES[name]
    found = torch.rot90(images, quarters, (-2, -1)) if quarters else images
    return found.flip(-1) if is_flipped else found


def turn_back(maps: torch.Tensor, name: str) -> torch.Tensor:
    """Undo `turn` on what a network makes of a turned image."""
    quarters, is_flipped = _SYMMETRIES[name]
    found = maps.flip(-1) if is_flipped else maps
    return torch.rot90(found, -quarters, (-2, -1)) if quarters else found
