"""What a classifier or a segmenter of nuclei says of px in memory, as probabilities."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from microtome.errors import InputError
from microtome.networks.devices import as_input, autocast
from microtome.nuclei.finder import round_up

# From this probability on a px is of a nucleus.
NUCLEUS_FROM = 0.5
# Crops of an image of a nucleus, so many a side: the paper's 25.
_CROPS = 5
# Side of the parts of an image that are segmented at a time, in px without their margin.
_INNER_PX = 512
_BATCH = {"cpu": 16, "cuda": 256}


def predict_attributes(
    network: nn.Module, pixels: np.ndarray, *, side_px: int, shift_px: int
) -> np.ndarray:
    """Give the probabilities of a classifier's attributes: the mean of those of 25 crops.

    Parameters
    ----------
    network : Module
        Maps images (B, 3, side_px, side_px) in [0, 1] to logits (B, n_attributes).
    pixels : ndarray of shape (height, width, 3), uint8
        RGB, with the nucleus in the middle.
    side_px, shift_px : int
        See `cut_crops`.

    Returns
    -------
    ndarray of shape (n_attributes,), float32
    """
    return predict_crops(network, cut_crops(pixels, side_px=side_px, shift_px=shift_px)[None])[0]


def predict_crops(network: nn.Module, crops: np.ndarray) -> np.ndarray:
    """Give the means of a classifier's probabilities over the crops of each of n nuclei.

    `crops` are (n, n_crops, side, side, 3), uint8; the result is (n, n_attributes), float32.
    """
    found = _probabilities(network, crops.reshape(-1, *crops.shape[2:]))
    return found.reshape(*crops.shape[:2], -1).mean(axis=1)


def cut_crops(pixels: np.ndarray, *, side_px: int, shift_px: int) -> np.ndarray:
    """Cut 25 crops of `side_px` out of an image, (25, side_px, side_px, 3).

    They lie on a square lattice about the middle of the image, the outermost `shift_px` away from
    it in each direction, or as far as the image goes; with 0 there is one. An image that is smaller
    than a crop goes on as its mirror image.
    """
    missing = [max(0, side_px - size) for size in pixels.shape[:2]]
    wide = np.pad(pixels, [*((m // 2, m - m // 2) for m in missing), (0, 0)], mode="symmetric")
    corners = [crop_starts(size, side_px=side_px, shift_px=shift_px) for size in wide.shape[:2]]
    return np.stack(
        [wide[r : r + side_px, c : c + side_px] for r in corners[0] for c in corners[1]]
    )


def crop_starts(size_px: int, *, side_px: int, shift_px: int) -> list[int]:
    """Where five crops along a side of an image begin; one where there is no room or no shift.

    Examples
    --------
    >>> crop_starts(140, side_px=100, shift_px=8), crop_starts(100, side_px=100, shift_px=8)
    ([12, 16, 20, 24, 28], [0])
    """
    middle, last = (size_px - side_px) // 2, size_px - side_px
    reach = min(shift_px, middle, last - middle)
    shifts = np.rint(np.linspace(-reach, reach, _CROPS)).astype(int) if reach else [0]
    return [middle + int(shift) for shift in shifts]


def predict_map(network: nn.Module, pixels: np.ndarray, *, inner_px: int = _INNER_PX) -> np.ndarray:
    """Give the probability of each px of an image to be of a nucleus.

    The image is cut into windows, with margins as wide as a px sees, so that the map is that of the
    whole image at once, which goes on as its mirror image. A network whose last layer sees its
    whole window (``dense_px``) goes over the image in steps of half a window; each px has the mean.

    Parameters
    ----------
    network : Module
        Maps images (B, 3, H, W) in [0, 1] to logits (B, 1, H, W). Has ``dense_px``, or else
        ``reach_px`` and ``lattice_px``, of which H and W are multiples.
    pixels : ndarray of shape (height, width, 3), uint8
        RGB.
    inner_px : int
        Largest side of a window without its margins.

    Returns
    -------
    ndarray of shape (height, width), float32
    """
    height, width = pixels.shape[:2]
    dense_px = getattr(network, "dense_px", None)
    if dense_px:
        side, step, margin = dense_px, dense_px // 2, 0
    else:
        margin = round_up(network.reach_px, network.lattice_px)
        step = round_up(min(inner_px, max(height, width)), network.lattice_px)
        side = step + 2 * margin
    covered = [max(round_up(size, step), side - 2 * margin) for size in (height, width)]
    rows, columns = (
        (margin, total - size + margin)
        for total, size in zip(covered, (height, width), strict=True)
    )
    wide = np.pad(pixels, (rows, columns, (0, 0)), mode="symmetric")
    sums = np.zeros(wide.shape[:2], np.float64)
    counts = np.zeros(wide.shape[:2], np.int64)
    inner = slice(margin, side - margin)
    for top, left in _corners(wide.shape, side, step):
        window = wide[None, top : top + side, left : left + side]
        found = _probabilities(network, window)[0, 0][inner, inner]
        part = (
            slice(top + margin, top + side - margin),
            slice(left + margin, left + side - margin),
        )
        sums[part] += found
        counts[part] += 1
    inside = (slice(margin, margin + height), slice(margin, margin + width))
    return (sums[inside] / counts[inside]).astype(np.float32)


def _corners(shape: tuple[int, ...], side: int, step: int) -> Iterator[tuple[int, int]]:
    for top in range(0, shape[0] - side + 1, step):
        for left in range(0, shape[1] - side + 1, step):
            yield top, left


def _probabilities(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Sigmoid of a network's logits, float32, of images (B, H, W, 3), uint8.

    InputError if they are not numbers, or the memory of the GPU does not hold what is computed.
    """
    network.eval()
    device = next(network.parameters()).device
    parts = torch.from_numpy(pixels).movedim(-1, -3).split(_BATCH[device.type])
    try:
        with torch.inference_mode(), autocast(device):
            found = [torch.sigmoid(network(as_input(part, device)).float()) for part in parts]
    except torch.OutOfMemoryError as error:
        height, width = pixels.shape[1:3]
        raise InputError(
            f"{len(parts[0])} images of {width} x {height} px do not fit into the memory of the"
            " GPU; use a GPU with more, the CPU (allow_cpu: true), or a network of less width"
        ) from error
    probabilities = torch.cat(found)
    if not torch.isfinite(probabilities).all():
        raise InputError(
            "what the network says of nuclei is not a number: its training went wrong; look at its"
            " training curves, and train it again"
        )
    return probabilities.cpu().numpy()
