"""Heatmaps of lymph nodes as an imperfect network might give them, and cohorts of their features.

No tissue was looked at: sizes follow the rules of CAMELYON17, all else is made up so that classes
overlap about as they do there: isolated tumour cells are often missed, specks are found in
nodes that are free.
"""

import numpy as np
from scipy.ndimage import zoom
from scipy.special import expit

from microtome.heatmaps.codes import encode
from microtome.staging.features import slide_features

CATEGORIES = ("negative", "itc", "micro", "macro")
# Of the 500 slides of CAMELYON17's training data.
FREQUENCIES = np.array([318, 36, 64, 82]) / 500
# The nodes of one patient are alike: the less this is, the more so.
_CONCENTRATION = 4.0

_COHORT_SPACING_UM = 16.0  # a quarter of the px of 8 µm, and of the time
_NODE_UM = (3600, 5200)
# Least and greatest length of the largest lesion; how sure of it the network is: mean and
# standard deviation of what tumour adds to the logit.
_LESIONS = {
    "itc": ((25, 195), (5.5, 2.5)),
    "micro": ((220, 1950), (7.0, 1.8)),
    "macro": ((2050, 3900), (7.5, 1.5)),
}
_NORMAL_LOGIT = -4.5
_CELL_PX = 8  # side of the smooth part of the noise


def simulated_heatmap(
    rng: np.random.Generator, category: str, *, spacing_um: float = 8.0
) -> tuple[np.ndarray, float]:
    """Draw the heatmap of one lymph node whose largest lesion is of a category.

    Gives codes of `microtome.heatmaps.codes`, (height, width), uint8, 0 around the node; and the
    node's area in mm².
    """
    shape = tuple(round(side / spacing_um) for side in _NODE_UM)
    middle = np.array(shape) / 2
    y, x = (np.arange(side)[:, None] - centre for side, centre in zip(shape, middle, strict=True))
    half = middle * rng.uniform(0.75, 0.98, 2)
    tissue = (y / half[0]) ** 2 + (x.T / half[1]) ** 2 <= 1
    logits = _NORMAL_LOGIT + 0.5 * rng.standard_normal(shape) + 0.9 * _smooth(rng, shape)
    for _ in range(rng.poisson(3)):
        at = middle + half * rng.uniform(-0.65, 0.65, 2)
        # Rarely as large as a micrometastasis.
        length_px = min(rng.lognormal(np.log(70), 0.7), 500) / spacing_um
        _add_blob(rng, logits, at, length_px=length_px, strength=rng.uniform(2, 8))
    if category != "negative":
        (least, most), (strength, spread) = _LESIONS[category]
        longest = np.exp(rng.uniform(np.log(least), np.log(most)))
        lengths = [longest, *(longest * rng.uniform(0.2, 0.9, rng.poisson(0.7)))]
        for length_um in lengths:
            # A large lesion fills the node; it may bulge out of it.
            room = half * np.maximum(0.1, 0.7 - length_um / 2 / spacing_um / half)
            tissue |= _add_blob(
                rng,
                logits,
                middle + room * rng.uniform(-1, 1, 2),
                length_px=length_um / spacing_um,
                strength=max(0.0, rng.normal(strength, spread)),
            )
    heatmap = encode(np.where(tissue, expit(logits), np.nan))
    return heatmap, np.count_nonzero(tissue) * spacing_um**2 / 1e6


def simulated_cohort(n_patients: int, *, nodes: int = 5, seed: int) -> list[dict]:
    """Features of a cohort with about the class frequencies of CAMELYON17's training data.

    Every patient has so many lymph nodes, each one slide. The same seed gives the same cohort, of
    which a smaller cohort is the beginning. A row has ``slide`` (``patient_003_node_1``),
    ``patient``, ``node`` (from 0), ``label``, and the features of `slide_features`.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_patients):
        patient = f"patient_{number:03}"
        shares = rng.dirichlet(_CONCENTRATION * FREQUENCIES)
        for node, category in enumerate(rng.choice(len(CATEGORIES), size=nodes, p=shares)):
            label = CATEGORIES[category]
            heatmap, tissue_mm2 = simulated_heatmap(rng, label, spacing_um=_COHORT_SPACING_UM)
            features = slide_features(heatmap, spacing_um=_COHORT_SPACING_UM, tissue_mm2=tissue_mm2)
            slide = f"{patient}_node_{node}"
            rows.append({"slide": slide, "patient": patient, "node": node, "label": label})
            rows[-1] |= features
    return rows


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of about unit variance without detail."""
    coarse = rng.standard_normal([side // _CELL_PX + 2 for side in shape])
    return zoom(coarse, _CELL_PX, order=1)[: shape[0], : shape[1]]


def _add_blob(
    rng: np.random.Generator,
    logits: np.ndarray,
    centre: np.ndarray,
    *,
    length_px: float,
    strength: float,
) -> np.ndarray:
    """Raise the logits within an ellipse with a wobbly border, and give where it is."""
    reach = length_px / 2 + 3
    first = np.maximum(0, np.floor(centre - reach)).astype(int)
    after = np.minimum(logits.shape, np.ceil(centre + reach).astype(int) + 1)
    box = tuple(slice(*ends) for ends in zip(first, after, strict=True))
    y, x = (axis - middle for axis, middle in zip(np.ogrid[box], centre, strict=True))
    angle, slim = rng.uniform(0, np.pi), rng.uniform(0.45, 1)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (y * np.cos(angle) - x * np.sin(angle)) / slim
    radius = np.hypot(along, across) * 2 / length_px
    noise = _smooth(rng, radius.shape)
    radius = radius + 0.08 * noise
    # From 0 to 1 within a px or two of the border.
    inside = expit((1 - radius) * length_px)
    logits[box] += strength * inside * (1 - 0.2 * noise)
    blob = np.zeros(logits.shape, bool)
    blob[box] = inside > 0.5
    return blob
