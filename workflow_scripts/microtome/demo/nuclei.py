"""Nuclei of the demo cohort: a few hundred drawn once a slide and stamped all over it.

A stamp holds the strength of haematoxylin, 100 for an optical density of one in the stain's
main colour. Sizes are those at 0.5 µm/px.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from microtome.demo.layout import Layout, smooth_noise, turn_axes

# Stamps are square and odd, so that a centre pixel exists.
SMALL_PX, LARGE_PX = 27, 45

# Mean distance between nuclei in µm, and how much of the grid stays empty.
SPREAD = {
    "normal": (10.8, 0.1),
    "lymphoid": (8.2, 0.06),
    "tumour": (13.6, 0.05),
    "stroma": (17.0, 0.15),
    "necrosis": (12.0, 0.1),
    "lumen": (9.0, 0.3),
}
SPACING_UM = 0.5

# What is left of nuclei in necrosis, ghosts and dust, is debris: no nucleus to be found.
_DEBRIS = "necrosis"
# Of a nucleus in a drop of fat, a cleft or a vessel, or at the edge, a part may be missing; one of
# which less than this share of the haematoxylin is left is not there.
_LEAST_SHARE = 0.5

# Where nuclei of a kind lie: wherever all these signed distances are positive.
_FIELDS = {
    "normal": lambda plan: (
        plan.tissue - 8,
        -plan.whole,
        -plan.stroma,
        -plan.lymphoid,
        -plan.lumen - 10,
    ),
    "lymphoid": lambda plan: (plan.tissue - 8, plan.lymphoid, -plan.lumen - 10),
    "tumour": lambda plan: (plan.tissue - 16, plan.viable),
    "stroma": lambda plan: (plan.tissue - 8, plan.stroma, -plan.lumen - 6),
    "necrosis": lambda plan: (plan.tissue - 8, plan.necrosis),
}


@dataclass(frozen=True)
class Stamped:
    """Nuclei of one kind on the canvas of a slide.

    Attributes
    ----------
    kind : str
        What they are of: a key of `SPREAD`.
    places : ndarray of shape (n, 2)
        int64, row and column of each one's middle px.
    stamps : ndarray of shape (m, side, side)
        uint8, the library they were taken from.
    chosen : ndarray of shape (n,)
        int64, the stamp of each.
    """

    kind: str
    places: np.ndarray
    stamps: np.ndarray
    chosen: np.ndarray


@dataclass(frozen=True)
class Nuclei:
    """What is true of the nuclei of a slide.

    Attributes
    ----------
    centres_px : ndarray of shape (n, 2)
        float64, x and y of level 0; the middle of the px (row, column) is (column, row) + 0.5.
    kinds : ndarray of shape (n,)
        str: 'normal', 'lymphoid', 'tumour' or 'stroma'.
    """

    centres_px: np.ndarray
    kinds: np.ndarray


def draw_stamps(rng: np.random.Generator, *, strength: dict[str, float]) -> dict[str, np.ndarray]:
    """Draw the library of nuclei of a slide: of each kind uint8 stamps of shape (n, side, side).

    `strength` has factors on the haematoxylin of 'normal' and 'tumour' nuclei.
    """
    normal = {"radius_px": (5.8, 7.4), "ratio": (1.0, 1.22), "level": (85, 120), "grain": 0.16}
    lymphoid = {"radius_px": (5.2, 6.6), "ratio": (1.0, 1.15), "level": (95, 135), "grain": 0.12}
    stroma = {"radius_px": (4.6, 6.2), "ratio": (2.2, 3.8), "level": (75, 115), "grain": 0.15}
    drawn = {
        "normal": _draw_solid(rng, 120, **normal) * strength["normal"],
        "lymphoid": _draw_solid(rng, 80, **lymphoid) * strength["normal"],
        "tumour": _draw_vesicular(rng, 260) * strength["tumour"],
        "stroma": _draw_solid(rng, 120, **stroma),
        "necrosis": _draw_debris(rng, 160),
    }
    return {kind: _to_bytes(stamps) for kind, stamps in drawn.items()}


def place_nuclei(
    rng: np.random.Generator,
    layout: Layout,
    stamps: dict[str, np.ndarray],
    *,
    width_px: int,
    height_px: int,
) -> tuple[np.ndarray, list[Stamped]]:
    """Stamp every kind of nucleus where its kind of tissue is.

    On a canvas of the slide's size, uint8: haematoxylin in nuclei, 0 elsewhere. Gives what was
    stamped, too.
    """
    canvas = np.zeros((height_px, width_px), np.uint8)
    stamped = []
    for kind, fields in _FIELDS.items():
        distance = np.minimum.reduce(fields(layout))
        stamped.append(
            _stamp(rng, canvas, stamps[kind], distance, kind=kind, step_px=layout.step_px)
        )
    return canvas, stamped


def find_nuclei(stamped: list[Stamped], present: np.ndarray) -> Nuclei:
    """Find the nuclei that can be seen: no debris, and none that is mostly cut away.

    `present` (height, width), uint8, tells how many hundredths of each px are tissue. Nuclei that
    overlap are all there, as they are in a thick section.
    """
    centres, kinds = [np.empty((0, 2))], [np.empty(0, "U8")]
    for one in stamped:
        if one.kind == _DEBRIS or not len(one.places):
            continue
        side = one.stamps.shape[1]
        whole = 100 * one.stamps.sum(axis=(1, 2), dtype=np.int64)[one.chosen]
        left = np.empty(len(one.places), np.int64)
        corners = (one.places - side // 2).tolist()
        for i, ((top, start), k) in enumerate(zip(corners, one.chosen.tolist(), strict=True)):
            spot = present[top : top + side, start : start + side]
            left[i] = np.vdot(spot.astype(np.int64), one.stamps[k].astype(np.int64))
        seen = one.places[left >= _LEAST_SHARE * whole]
        centres.append(seen[:, ::-1] + 0.5)
        kinds.append(np.full(len(seen), one.kind))
    return Nuclei(np.concatenate(centres), np.concatenate(kinds))


def place_red_cells(
    rng: np.random.Generator, layout: Layout, *, width_px: int, height_px: int
) -> np.ndarray:
    """Fill some vessels with red cells.

    On a canvas of the slide's size, uint8: hundredths of eosin in red cells, 0 elsewhere.
    """
    canvas = np.zeros((height_px, width_px), np.uint8)
    discs = _draw_ellipses(rng, 40, SMALL_PX, radius_px=(5.5, 7.0), ratio=(1.0, 1.2), waves=0.03)
    y, x = _count_from_centre(SMALL_PX)
    # Biconcave: paler in the middle.
    stamps = _to_bytes(np.clip(discs / 1.5 + 0.5, 0, 1) * (115 - 30 * np.exp(-(y**2 + x**2) / 8)))
    filled = smooth_noise(rng, layout.tissue.shape, 30) > 0
    distance = np.where(filled, layout.lumen - 9, -1e4)
    _stamp(rng, canvas, stamps, distance, kind="lumen", step_px=layout.step_px)
    return canvas


def _stamp(
    rng: np.random.Generator,
    canvas: np.ndarray,
    library: np.ndarray,
    distance: np.ndarray,
    *,
    kind: str,
    step_px: int,
) -> Stamped:
    """Stamp cells of one kind on `canvas` wherever `distance` is positive; say which and where."""
    side = library.shape[1]
    room = {"shape": canvas.shape, "room_px": side}
    places = _scatter(rng, distance, kind=kind, step_px=step_px, **room)
    chosen = rng.integers(len(library), size=len(places))
    for (top, left), i in zip((places - side // 2).tolist(), chosen.tolist(), strict=True):
        spot = canvas[top : top + side, left : left + side]
        # Nuclei that overlap in a thick section do not add up to black.
        np.maximum(spot, library[i], out=spot)
    return Stamped(kind, places, library, chosen)


def _scatter(
    rng: np.random.Generator,
    distance: np.ndarray,
    *,
    kind: str,
    step_px: int,
    shape: tuple[int, int],
    room_px: int,
) -> np.ndarray:
    """Choose places (row, column) where a coarse field is positive and `room_px` fit round a cell.

    A hexagonal grid shaken so far that no grid shows: even, as cells are, unlike random places.
    """
    pitch_um, empty = SPREAD[kind]
    pitch = pitch_um / SPACING_UM
    rows, columns = np.nonzero(distance > 0)
    if len(rows) == 0:
        return np.empty((0, 2), np.int64)
    y = np.arange((rows.min() - 1) * step_px, (rows.max() + 2) * step_px, pitch * 0.866)
    x = np.arange((columns.min() - 1) * step_px, (columns.max() + 2) * step_px, pitch)
    grid = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
    grid[1::2, :, 1] += pitch / 2
    places = grid.reshape(-1, 2) + rng.uniform(-0.36 * pitch, 0.36 * pitch, (grid.size // 2, 2))
    places = places[rng.random(len(places)) >= empty]
    half = room_px // 2 + 1
    fits = (places >= half).all(axis=1) & (places < np.array(shape) - half).all(axis=1)
    places = places[fits]
    nodes = places.T / step_px - 0.5
    inside = ndimage.map_coordinates(distance, nodes, order=1, mode="nearest") > 0
    return places[inside].astype(np.int64)


def _to_bytes(stamps: np.ndarray) -> np.ndarray:
    return np.clip(stamps, 0, 255).astype(np.uint8)


def _count_from_centre(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Give y and x from the centre of a stamp."""
    y, x = np.mgrid[:side, :side].astype(np.float32) - side // 2
    return y, x


def _draw_grain(rng: np.random.Generator, n: int, side: int, sigma: float) -> np.ndarray:
    """Draw chromatin: noise of standard deviation 1."""
    white = rng.standard_normal((n, side, side), dtype=np.float32)
    smooth = ndimage.gaussian_filter(white, (0, sigma, sigma))
    return smooth * np.float32(2 * np.sqrt(np.pi) * sigma)


def _draw_ellipses(
    rng: np.random.Generator,
    n: int,
    side: int,
    *,
    radius_px: tuple[float, float],
    ratio: tuple[float, float],
    waves: float,
) -> np.ndarray:
    """Draw the distance in px to outlines of irregular ellipses, positive inside, one a stamp."""
    y, x = _count_from_centre(side)
    size, stretch = rng.uniform(*radius_px, n), np.sqrt(rng.uniform(*ratio, n))
    along, across = turn_axes(y, x, rng.uniform(0, np.pi, n)[:, None, None])
    along, across = along / stretch[:, None, None], across * stretch[:, None, None]
    angle = np.arctan2(across, along)
    outline = np.ones((n, side, side))
    for k in (2, 3, 4, 5):
        depth, phase = rng.normal(0, waves / k, (2, n, 1, 1)) * np.reshape([1, 50], (2, 1, 1, 1))
        outline += depth * np.cos(k * angle + phase)
    reach = size[:, None, None] * outline - np.hypot(along, across)
    # Stretching shortens distances along one axis; a narrow nucleus must not get a soft outline.
    return (reach / stretch[:, None, None] ** 0.5).astype(np.float32)


def _draw_solid(
    rng: np.random.Generator,
    n: int,
    *,
    radius_px: tuple[float, float],
    ratio: tuple[float, float],
    level: tuple[float, float],
    grain: float,
) -> np.ndarray:
    """Draw dark nuclei of even chromatin."""
    inside = _draw_ellipses(rng, n, SMALL_PX, radius_px=radius_px, ratio=ratio, waves=0.05)
    body = np.clip(inside / 1.6 + 0.5, 0, 1) * (1 + grain * _draw_grain(rng, n, SMALL_PX, 1.0))
    return body * rng.uniform(*level, (n, 1, 1))


def _draw_vesicular(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw large pale nuclei of irregular outline with clumped chromatin, membrane, nucleoli."""
    inside = _draw_ellipses(rng, n, LARGE_PX, radius_px=(10.2, 15.2), ratio=(1.0, 1.7), waves=0.16)
    y, x = _count_from_centre(LARGE_PX)
    level = rng.uniform(26, 50, (n, 1, 1))
    clumps = np.clip(_draw_grain(rng, n, LARGE_PX, 1.7), -1.2, 2.4)
    body = level * (1 + 0.42 * clumps)
    rim = np.exp(-(((inside - 1.6) / 1.2) ** 2)) * rng.uniform(32, 56, (n, 1, 1))
    drawn = np.maximum(body, 0) + rim
    for _ in range(2):
        at = rng.normal(0, 3.6, (2, n, 1, 1))
        size = rng.uniform(1.6, 3.2, (n, 1, 1)) * (rng.random((n, 1, 1)) < 0.7)
        drawn += 70 * np.clip(size - np.hypot(y - at[0], x - at[1]) + 0.5, 0, 1)
    # Some are dark all over, as in every tumour.
    dark = rng.random((n, 1, 1)) < 0.12
    drawn = np.where(dark, 85 + 12 * clumps, drawn)
    return drawn * np.clip(inside / 1.6 + 0.5, 0, 1)


def _draw_debris(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw what is left in necrosis: dust of nuclei, and the ghosts of some."""
    ghosts = _draw_ellipses(rng, n, SMALL_PX, radius_px=(6.0, 9.5), ratio=(1.0, 1.4), waves=0.1)
    ghosts = np.clip(ghosts / 7 + 0.4, 0, 1) * rng.uniform(12, 34, (n, 1, 1))
    ghosts *= rng.random((n, 1, 1)) < 0.45
    y, x = _count_from_centre(SMALL_PX)
    dust = np.zeros((n, SMALL_PX, SMALL_PX), np.float32)
    for _ in range(5):
        at = rng.normal(0, 3.8, (2, n, 1, 1))
        size = rng.uniform(0.5, 2.3, (n, 1, 1)) * (rng.random((n, 1, 1)) < 0.5)
        speck = np.clip(size - np.hypot(y - at[0], x - at[1]) + 0.3, 0, 1)
        dust = np.maximum(dust, speck * rng.uniform(50, 130, (n, 1, 1)))
    return np.maximum(ghosts, dust)
