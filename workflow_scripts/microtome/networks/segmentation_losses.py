"""Losses of dense segmentation: cross-entropy, the Dice loss, and both together.

The Dice losses count all px of a batch as one heap: patches without tumour have no Dice of their
own. Where a batch is spread over GPUs or computed in parts, that is all px of each part.
"""

from collections.abc import Callable

import torch
from torch.nn import functional

# Nothing to find and nothing found is a loss of 0, not 0 / 0. One pixel counts 1.
_EPSILON = 1e-6


def dice_loss(probability: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """1 - 2 sum(p g) / (sum(p^2) + sum(g^2)), sums over all px of the batch.

    Generalized framework (2021), equation 1. Both sums get 1e-6 more, so that a map of zeros and an
    empty truth are a loss of 0.

    Of probabilities p (B, H, W), float32 in [0, 1], and truths g (B, H, W), 0 or 1 of any type; the
    result lies in [0, 1].

    Examples
    --------
    2 (0.8 + 0.6) / (0.64 + 0.16 + 0.36 + 0.04 + 2) = 0.875

    >>> p = torch.tensor([[[0.8, 0.4], [0.6, 0.2]]])
    >>> round(dice_loss(p, torch.tensor([[[1, 0], [1, 0]]])).item(), 3)
    0.125
    """
    p, g = probability, truth.float()
    overlap = 2 * (p * g).sum()
    return 1 - (overlap + _EPSILON) / (p.square().sum() + g.square().sum() + _EPSILON)


def tumour_dice_loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The Dice loss of tumour alone (joint classification and segmentation, 2022, section 3.4).

    Equation 1 there prints the overlap alone, half of it and without "1 -"; what is minimized is
    that of `dice_loss`. Logits (B, 2, H, W), float32, are of {not tumour, tumour}.
    """
    return dice_loss(logits.softmax(dim=1)[:, 1], truth)


def hybrid_loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """0.5 cross-entropy + 0.25 Dice loss of tumour + 0.25 Dice loss of the rest.

    Generalized framework (2021), equation 3 with its alpha, beta and gamma. The cross-entropy is
    the mean over px; equation 2 prints a sum, and lacks the minus sign without which it would be
    maximized. Logits (B, 2, H, W), float32, are of {not tumour, tumour}; truths (B, H, W).
    """
    other, tumour = logits.softmax(dim=1).unbind(dim=1)
    rest = 1 - truth.float()
    overlap = dice_loss(tumour, truth) + dice_loss(other, rest)
    return 0.5 * cross_entropy(logits, truth) + 0.25 * overlap


def cross_entropy(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of all px: logits (B, 2, H, W), truth (B, H, W) of 0 and 1."""
    return functional.cross_entropy(logits, truth.long())


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": cross_entropy,
    "hybrid": hybrid_loss,
    "dice": tumour_dice_loss,
}
