"""What the members of an ensemble say of a batch: mean posterior, and how sure it is.

Generalized framework, "uncertainty analysis": aleatoric uncertainty is each member's variance over
test-time augmentations (Eq. 4), epistemic the variance over the members (Eq. 5).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from microtome.errors import InputError
from microtome.inference.score_store import ALEATORIC, EPISTEMIC, PROBABILITY, of_member
from microtome.inference.test_time_augmentation import turn, turn_back
from microtome.networks.devices import autocast
from microtome.patches.grid import Grid
from microtome.slides.slide import Slide


def posteriors(
    members: Mapping[str, nn.Module],
    images: torch.Tensor,
    *,
    augmentations: Sequence[str] = (),
    side: int | None = None,
    epistemic: str = "views",
) -> dict[str, torch.Tensor]:
    """Tumour probability of a batch by one network or several, and its uncertainty.

    The `members` are one or several networks, on the device of the images (B, 3, H, W) or (B,
    spacings, 3, H, W), float32, and in evaluation mode. A member's posterior is its mean over the
    image as it is and the `augmentations`, names of `microtome.inference.test_time_augmentation`.
    Maps larger than `side` become means over so many px a side. The epistemic uncertainty is that
    of the members' posteriors ('views'), or of what they say of the image as it is ('plain', as Eq.
    5 is written). InputError if a network gives another number of classes than two.

    Returns
    -------
    dict of str to Tensor of shape (B, h, w), float32
        ``probability``: mean over members. With augmentations ``aleatoric``: mean over members of
        each one's variance. With several members ``epistemic``: variance over the members; and
        each member's own ``NAME.probability`` and ``NAME.aleatoric``. Variances
        are those of px, pooled afterwards; they lie in [0, 1/4].

    Examples
    --------
    >>> unsure, sure = (lambda images, n=n: torch.tensor([[0.0, n]]) for n in (0, 100))
    >>> found = posteriors({"a": unsure, "b": sure}, torch.zeros(1, 3, 8, 8))
    >>> {part: values.item() for part, values in found.items()}
    {'a.probability': 0.5, 'b.probability': 1.0, 'probability': 0.75, 'epistemic': 0.0625}
    """
    found: dict[str, torch.Tensor] = {}
    views = [_over_views(name, model, images, augmentations) for name, model in members.items()]
    plains, means, variances = zip(*views, strict=True)
    if len(members) > 1:
        for name, mean, variance in zip(members, means, variances, strict=True):
            found[of_member(name, PROBABILITY)] = mean
            if augmentations:
                found[of_member(name, ALEATORIC)] = variance
    # One value of a patch stands for all its px.
    maps = torch.stack(torch.broadcast_tensors(*means))
    found[PROBABILITY] = maps.mean(dim=0)
    if augmentations:
        found[ALEATORIC] = torch.stack(torch.broadcast_tensors(*variances)).mean(dim=0)
    if len(members) > 1:
        if epistemic == "plain":
            maps = torch.stack(torch.broadcast_tensors(*plains))
        found[EPISTEMIC] = maps.var(dim=0, correction=0)
    return {part: _pool(values, side) for part, values in found.items()}


def tumour_probability(logits: torch.Tensor) -> torch.Tensor:
    """Softmax of logits (B, 2) or (B, 2, h, w) -> tumour probability (B, h, w), float32."""
    maps = logits.float().softmax(dim=1)[:, 1]
    return maps[:, None, None] if maps.ndim == 1 else maps


def _over_views(
    name: str, model: nn.Module, images: torch.Tensor, augmentations: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a member says of the image as it is; mean and variance (Welford's) over all views."""
    plain = mean = _probability(name, model, images)
    squares = torch.zeros_like(mean)
    for n, augmentation in enumerate(augmentations, start=2):
        # Each alone, never one on top of another, and undone before anything is compared.
        view = _probability(name, model, turn(images, augmentation))
        difference = turn_back(view, augmentation) - mean
        mean = mean + difference / n
        squares = squares + difference.square() * ((n - 1) / n)
    return plain, mean, squares / (1 + len(augmentations))


def _probability(name: str, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with autocast(images.device):
        logits = model(images)
    if logits.shape[1] != 2:
        raise InputError(
            f"models.{name}: the network gives {logits.shape[1]} classes, not 2 (other, tumour);"
            " give it weights that were trained for two"
        )
    return tumour_probability(logits)


def _pool(maps: torch.Tensor, side: int | None) -> torch.Tensor:
    return adaptive_avg_pool2d(maps, side) if side and maps.shape[-1] > side else maps


def require_numbers(
    slide: Slide, grid: Grid, index: np.ndarray, maps: Mapping[str, np.ndarray]
) -> None:
    """Raise InputError, with the place of the patch, where a map holds something else."""
    for values in maps.values():
        bad = ~np.isfinite(values).all(axis=(1, 2))
        if bad.any():
            i = index[bad][0]
            raise InputError(
                f"slide {slide.name}: the model gives no number for the patch at"
                f" x={grid.x_px[i]:.0f}, y={grid.y_px[i]:.0f}"
            )
