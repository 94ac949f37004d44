"""What is set once an autoencoder has learned: its threshold, and where its nuclei lie."""

from collections.abc import Iterable

import numpy as np
import torch
from scipy.ndimage import center_of_mass, label
from torch.nn.functional import pad

from microtome.networks.crosswise import CrosswiseCAE
from microtome.networks.devices import as_input, autocast
from microtome.networks.sparsity import RunningThreshold, upper_percentile

# Offsets are rounded to 1/64 px, as places of nuclei are.
_PARTS_OF_PX = 64


@torch.inference_mode()
def settle(model: CrosswiseCAE, batches: Iterable[torch.Tensor]) -> None:
    """Set threshold and offset of a trained autoencoder.

    In training, t follows values that are normalized by the batch, of weights that still change.
    Afterwards values are normalized by running statistics, so t becomes the mean, over windows, of
    the percentile of these (section 4.3.2 has the running mean alone).

    The offset is found without labels. Haematoxylin takes red away: on average over the locations
    that fire, it is darkest in red where their nuclei lie.

    Parameters
    ----------
    model : CrosswiseCAE
        Trained; is left in evaluation. Without a detection map it has no offset, and of variant
        dense no threshold.
    batches : iterable of Tensor of shape (B, 3, H, W), uint8
        Some of the windows that it learned from, turned at random, so that nothing about them has a
        direction but what the network does.
    """
    model.eval()
    device = next(model.parameters()).device
    parts = [part for part in model.modules() if isinstance(part, RunningThreshold)]
    values: list[torch.Tensor] = []
    hooks = [part.register_forward_pre_hook(lambda _, v: values.append(v[0])) for part in parts]
    darkness = []
    for pixels in batches:
        images = as_input(pixels, device)
        with autocast(device):
            model.encode(images)
        darkness.append(-torch.log((images[:, 0] * 255 + 1) / 256))
    for hook in hooks:
        hook.remove()
    for part in parts:
        of_windows = [upper_percentile(some.float(), part.percent) for some in values]
        part.threshold.copy_(torch.cat(of_windows).mean())
    if model.variant == "crosswise":
        fires = torch.cat(values)[:, 0] > model.part5.threshold
        dark = torch.cat(darkness)
        total, n = measure_around(dark, fires, reach_px=model.reach_px)
        ground = dark.mean()
        mean = torch.where(n > 0, total / n, ground).cpu().numpy()
        offset = np.array(find_middle(mean, ground=float(ground)))
        model.offset_px.copy_(torch.from_numpy(np.rint(offset * _PARTS_OF_PX) / _PARTS_OF_PX))


def measure_around(
    values: torch.Tensor, fires: torch.Tensor, *, reach_px: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum values around the locations that fire.

    Parameters
    ----------
    values : Tensor of shape (B, H, W)
        Of images.
    fires : Tensor of shape (B, h, w), bool
        H / h px is the side of a location.
    reach_px : int
        How far to look on each side of a location.

    Returns
    -------
    total, n : Tensor of shape (H / h + 2 reach_px,) * 2
        Sum of the values, and of how many: none beyond an image.

    Examples
    --------
    >>> values, fires = torch.zeros(1, 4, 4), torch.zeros(1, 2, 2, dtype=torch.bool)
    >>> values[0, 2, 1], fires[0, 1, 1] = 5, True
    >>> total, n = measure_around(values, fires, reach_px=1)
    >>> total[1].tolist(), n.tolist()[0], n.tolist()[3]
    ([5.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0])
    """
    step = values.shape[-1] // fires.shape[-1]
    side = step + 2 * reach_px
    sums = (
        pad(each, (reach_px,) * 4).unfold(1, side, step).unfold(2, side, step)[fires].sum(dim=0)
        for each in (values, torch.ones_like(values))
    )
    return tuple(sums)


def find_middle(mean: np.ndarray, *, ground: float) -> tuple[float, float]:
    """Find how far from the middle of a map what is highest there lies: to the right, and below.

    It is the centre of gravity of the piece around the highest px whose values are at least half as
    far above `ground`; (0, 0) if no px is above.

    Examples
    --------
    >>> mean = np.zeros((7, 7))
    >>> mean[2, 4:6] = 1
    >>> find_middle(mean, ground=0.0)
    (1.5, -1.0)
    """
    highest = mean.max()
    if not highest > ground:
        return 0.0, 0.0
    pieces, _ = label(mean >= (ground + highest) / 2)
    piece = pieces == pieces[np.unravel_index(mean.argmax(), mean.shape)]
    down, right = (
        at - (side - 1) / 2 for at, side in zip(center_of_mass(piece), mean.shape, strict=True)
    )
    return float(right), float(down)
