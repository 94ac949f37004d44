"""Which detections of nuclei are right: points found against true points.

The rule of Hou et al. 2019, section 5.6.2: of the detections within some distance of a true nucleus
the nearest alone is right, all others are false. The paper does not say what counts where one
detection is the nearest of several nuclei. Here it counts once, for the nearer nucleus, and the
other nucleus is missed, also if a second detection lies within the distance of it: that one is not
the nearest. An assignment that pairs as many points as it can would count more.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

# Coordinates are sums and products of floats: what is meant to be at the distance counts.
_ROUNDING = 1e-9

_PAIR = np.dtype([("nucleus", np.int64), ("found", np.int64), ("distance_um", np.float64)])


@dataclass(frozen=True)
class Matches:
    """What `match_points` found.

    Attributes
    ----------
    nucleus : ndarray of shape (n_found,), int64
        The true nucleus that each detection counts for, by its place in the truth; -1: it is false.
    n_true : int
        True nuclei.
    """

    nucleus: np.ndarray
    n_true: int

    @property
    def n_found(self) -> int:
        """Detections, right or false."""
        return len(self.nucleus)

    @property
    def n_right(self) -> int:
        """Detections that count for a nucleus, which is as many as nuclei that were found."""
        return int(np.count_nonzero(self.nucleus >= 0))


def match_points(found: np.ndarray, truth: np.ndarray, *, within_um: float) -> Matches:
    """Match detections with true nuclei.

    Parameters
    ----------
    found : ndarray of shape (n_found, 2), float
        Detections, x and y in µm, the surest first: of those equally near to a nucleus, to the last
        bit, the first counts.
    truth : ndarray of shape (n_true, 2), float
        True nuclei, x and y in µm. A detection that is the nearest of two, equally far from both,
        counts for the first; on the numbers this has no effect.
    within_um : float
        Up to this distance, inclusive, a detection is one of a nucleus. 3 µm are the paper's 6 px.

    Examples
    --------
    >>> found = np.array([[0.0, 1.0], [0.0, 2.0], [9.0, 9.0]])
    >>> matches = match_points(found, np.array([[0.0, 0.0]]), within_um=3)
    >>> matches.nucleus.tolist(), matches.n_right
    ([0, -1, -1], 1)
    """
    pairs = near_pairs(found, truth, within_um=within_um)
    pairs = _first_of_each(pairs, "nucleus", by="found")  # the nearest detection of each nucleus
    pairs = _first_of_each(pairs, "found", by="nucleus")  # the nearest nucleus that it counts for
    nucleus = np.full(len(found), -1, np.int64)
    nucleus[pairs["found"]] = pairs["nucleus"]
    return Matches(nucleus, len(truth))


def near_pairs(found: np.ndarray, truth: np.ndarray, *, within_um: float) -> np.ndarray:
    """List the pairs of detection and true nucleus that lie within a distance of each other.

    Points are as in `match_points`. Returns a structured array with the fields ``nucleus`` and
    ``found`` (places in both, int64) and ``distance_um``, in no order.
    """
    if not (len(found) and len(truth)):
        return np.empty(0, _PAIR)
    trees = cKDTree(truth), cKDTree(found)
    reach_um = within_um * (1 + _ROUNDING)
    near = trees[0].sparse_distance_matrix(trees[1], reach_um, output_type="ndarray")
    pairs = np.empty(len(near), _PAIR)
    pairs["nucleus"], pairs["found"], pairs["distance_um"] = near["i"], near["j"], near["v"]
    return pairs


def detection_rates(*, n_right: int, n_found: int, n_true: int) -> dict[str, float | None]:
    """Compute precision, recall and F, their harmonic mean, from counts.

    None where a rate is not defined, as scikit-learn's with ``zero_division=nan``: precision if
    nothing was found, recall if there are no true nuclei, F only if both. So where all nuclei were
    missed F is 0, although there is no precision.

    Examples
    --------
    >>> detection_rates(n_right=2, n_found=4, n_true=2)
    {'precision': 0.5, 'recall': 1.0, 'f': 0.6666666666666666}
    >>> detection_rates(n_right=0, n_found=0, n_true=2)
    {'precision': None, 'recall': 0.0, 'f': 0.0}
    """
    return {
        "precision": n_right / n_found if n_found else None,
        "recall": n_right / n_true if n_true else None,
        "f": 2 * n_right / (n_found + n_true) if n_found + n_true else None,
    }


def _first_of_each(pairs: np.ndarray, field: str, *, by: str) -> np.ndarray:
    """Of the pairs of each point the nearest, of equally near ones the first in `by`."""
    pairs = pairs[np.lexsort((pairs[by], pairs["distance_um"], pairs[field]))]
    return pairs[np.unique(pairs[field], return_index=True)[1]]
