"""Lesions as CAMELYON16 asks for them: points in a slide, each with a confidence."""

from pathlib import Path

import numpy as np
from scipy.spatial import KDTree
from skimage.measure import label
from skimage.morphology import local_maxima

from microtome.heatmaps.aligned import read_heatmap
from microtome.heatmaps.codes import NO_DATA, decode, is_at_least
from microtome.io.atomic import read_json

LESION = np.dtype([("confidence", np.float64), ("x_px", np.int64), ("y_px", np.int64)])


def find_lesions(
    heatmap: np.ndarray,
    *,
    scale_px: float,
    threshold: float,
    min_distance_um: float,
    spacing_um: float,
) -> np.ndarray:
    """Detect lesions as the peaks of a heatmap, none too near to a higher one.

    A peak is a plateau (8-connected px of one code) with nothing as high beside it, and lies at
    its px that is nearest to its centroid. Peaks are taken by falling probability, and each drops
    those nearer than `min_distance_um` to it.

    `heatmap` is uint8: 0 where nothing was scored, which is no peak at any threshold, else
    1 + 254 * probability. Its px are of `spacing_um` µm, or of `scale_px` level-0 px.

    Returns
    -------
    ndarray of shape (n_lesions,), dtype `LESION`
        ``confidence`` (probability), ``x_px`` and ``y_px`` (the level-0 px at the centre of the
        heatmap's px); by falling confidence, then y, then x.

    Examples
    --------
    >>> heatmap = np.array([[1, 255, 1, 1], [1, 1, 1, 128]], np.uint8)
    >>> options = {"scale_px": 32, "threshold": 0.5, "min_distance_um": 0, "spacing_um": 8.0}
    >>> find_lesions(heatmap, **options).tolist()
    [(1.0, 48, 16), (0.5, 112, 48)]
    """
    peak = _find_peaks(np.where(is_at_least(heatmap, threshold), heatmap, NO_DATA))
    code = heatmap[peak[:, 0], peak[:, 1]]
    order = np.lexsort((peak[:, 1], peak[:, 0], 255 - code))
    order = order[_keep_apart(peak[order], min_distance_um / spacing_um)]
    lesions = np.empty(len(order), LESION)
    lesions["confidence"] = decode(code[order])
    lesions["y_px"], lesions["x_px"] = np.floor((peak[order].T + 0.5) * scale_px)
    return lesions


def _find_peaks(codes: np.ndarray) -> np.ndarray:
    """One px of every peak: ndarray of shape (n, 2), row and column."""
    # Within a frame of what is lower, even a heatmap of one value has a peak.
    framed = np.pad(codes, 1, constant_values=NO_DATA)
    # Peaks never touch: of two that did, one would be as high as the other or none.
    labels = label(local_maxima(framed, connectivity=2)[1:-1, 1:-1], connectivity=2)
    at = np.argwhere(labels)
    number = labels[labels > 0] - 1
    n_px = np.bincount(number)
    centre = np.stack([np.bincount(number, weights=side) / n_px for side in at.T], axis=1)
    # Rounded, so that px as far to either side are equally far: the upper, then the left is taken.
    far = np.round(((at - centre[number]) ** 2).sum(axis=1), 6)
    order = np.lexsort((at[:, 1], at[:, 0], far, number))
    return at[order[np.unique(number[order], return_index=True)[1]]]


def _keep_apart(points: np.ndarray, least_px: float) -> list[int]:
    """Places of the points that stay when each that stays drops the later ones near it."""
    if not len(points):
        return []
    # Points at just this distance stay, however it was rounded.
    tree, reach = KDTree(points), least_px * (1 - 1e-9)
    kept, is_left = [], np.ones(len(points), bool)
    for k, point in enumerate(points):
        if is_left[k]:
            kept.append(k)
            is_left[tree.query_ball_point(point, reach)] = False
    return kept


def find_slide_lesions(
    heatmap: str | Path,
    *,
    tissue: str | Path,
    inspected: str | Path,
    threshold: float,
    min_distance_um: float,
) -> np.ndarray:
    """Find the lesions of a slide from its files, as `find_lesions` does, all on the slide.

    A peak has a probability of at least `threshold`, and is not nearer than `min_distance_um` to
    another.
    """
    encoded, spacing_um, _ = read_heatmap(heatmap, tissue)
    slide = read_json(inspected)
    found = find_lesions(
        encoded,
        scale_px=spacing_um / slide["spacing_um"],
        spacing_um=spacing_um,
        threshold=threshold,
        min_distance_um=min_distance_um,
    )
    # The last px of a heatmap can reach beyond the slide.
    for side, size_px in (("x_px", slide["width_px"]), ("y_px", slide["height_px"])):
        found[side] = np.minimum(found[side], size_px - 1)
    return found
