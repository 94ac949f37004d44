"""Metastases of the demo lymph nodes, of sizes that pathologists have names for."""

from dataclasses import replace

import numpy as np

from microtome.demo.blobs import Blob, Grid, draw_blob
from microtome.demo.nuclei import SPACING_UM

# Largest diameter of one metastasis. Isolated tumour cells go up to 200 µm, micrometastases up to
# 2000 µm (TNM): all keep away from those limits, so that no blur or pixel changes the category.
LENGTHS_UM = {"itc": (110, 190), "micro": (400, 1100), "macro": (2150, 2500)}

# Clusters nearer than 75 µm count as one in the organizers' evaluation of CAMELYON16.
APART_PX = 320
# Room that is left for the capsule.
CAPSULE_PX = 22
# Shapes drawn for a metastasis until one fits into the node.
TRIES = 40


def place_metastases(
    rng: np.random.Generator, grid: Grid, node: np.ndarray, *, category: str
) -> np.ndarray:
    """Place what has spread to a node: one or two clusters of ITC, or one larger metastasis.

    From the signed distance in px to the outline of the node (rows, columns), positive inside,
    to that of the metastases, float32: its zero line is exact, all else roughly so.
    """
    found = np.full(grid.shape, -1e4, np.float32)
    if category not in LENGTHS_UM:
        return found
    room = node - CAPSULE_PX
    for _ in range(int(rng.integers(1, 3)) if category == "itc" else 1):
        length_px = rng.uniform(*LENGTHS_UM[category]) / SPACING_UM
        for _ in range(TRIES):
            blob = _metastasis(rng, length_px, lengthwise=category == "macro")
            centre, fits = _place(rng, grid, room, blob.corners())
            if fits:
                break
        found = np.maximum(found, blob.field(grid, centre))
        room = np.minimum(room, -found - APART_PX)
    return found


def _metastasis(rng: np.random.Generator, length_px: float, *, lengthwise: bool) -> Blob:
    """Draw a blob of this largest diameter, in any direction or along the node."""
    turn = rng.uniform(-0.06, 0.06) if lengthwise else rng.uniform(0, np.pi)
    # The largest are narrow: there is room for no others.
    squeeze = rng.uniform(0.42, 0.52) if lengthwise else rng.uniform(0.6, 0.95)
    blob = draw_blob(rng, (1.0, squeeze), turn=turn, ragged=0.15, times=range(2, 14))
    corners = blob.corners()
    size = length_px / np.hypot(*(corners[:, None] - corners).T).max()
    return replace(blob, half=(size, size * squeeze))


def _place(
    rng: np.random.Generator, grid: Grid, room: np.ndarray, corners: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Find a centre about which all corners lie where there is room, or the best; say which."""
    y, x = np.linspace(0, grid.height_px, 64), np.linspace(0, grid.width_px, 64)
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    centres = centres[grid.look_up(room, centres) > 0]
    least = grid.look_up(room, centres[:, None] + corners[::2]).min(axis=1)
    fits = np.flatnonzero(least > 0)
    return centres[rng.choice(fits) if len(fits) else least.argmax()], len(fits) > 0


def place_necrosis(rng: np.random.Generator, grid: Grid, whole: np.ndarray) -> np.ndarray:
    """Place a little necrosis deep in a metastasis; both are signed distances in px."""
    rows, columns = np.nonzero(whole > 0.75 * whole.max())
    i = rng.integers(len(rows))
    centre = np.array([grid.x[0, columns[i]], grid.y[rows[i], 0]])
    size = rng.uniform(150, 300)
    blob = draw_blob(rng, (size, 0.7 * size), turn=rng.uniform(0, np.pi), ragged=0.2)
    return np.minimum(blob.field(grid, centre), whole - 100)
