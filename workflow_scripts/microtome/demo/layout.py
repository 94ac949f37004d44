"""Where things lie on a slide of the demo cohort: tissue, tumour bed, necrosis, vessels.

Everything is decided on a coarse grid as signed distances, which are smooth and so can be
enlarged to outlines and pixels without steps.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# The sizes below (µm in life, px here) are those of a slide of this size; smaller slides get
# smaller structures, but never smaller cells.
FULL_WIDTH_PX, FULL_HEIGHT_PX = 8000, 7000
FULL_STEP_PX = 16


@dataclass(frozen=True)
class Layout:
    """The plan of one slide, on a grid whose nodes are the centres of squares of `step_px`.

    Attributes
    ----------
    step_px : int
        Level-0 px between nodes.
    tissue, whole, viable, necrosis, stroma, lumen, lymphoid, fat : ndarray of shape (rows, columns)
        float32, signed distance in px to the border of each, positive inside. `lumen` is the
        inside of vessels, `lymphoid` densely celled zones, `fat` zones with fat droplets.
    """

    step_px: int
    tissue: np.ndarray
    whole: np.ndarray
    viable: np.ndarray
    necrosis: np.ndarray
    stroma: np.ndarray
    lumen: np.ndarray
    lymphoid: np.ndarray
    fat: np.ndarray


def plan_slide(
    rng: np.random.Generator,
    *,
    width_px: int,
    height_px: int,
    scanned_px: tuple[int, int],
    tumour: bool,
) -> Layout:
    """Plan a slide with or without a tumour bed.

    Tissue lies in the part of width and height `scanned_px`, from the upper left corner.
    """
    scale = min(width_px / FULL_WIDTH_PX, height_px / FULL_HEIGHT_PX)
    step = max(4, 2 * round(scale * FULL_STEP_PX / 2))
    shape = -(-height_px // step), -(-width_px // step)
    # Lengths in full-size px become nodes.
    unit = scale / step
    scanned = scanned_px[1] / step, scanned_px[0] / step

    bed, centre, radius = _bed(rng, shape, scanned=scanned, unit=unit)
    tissue = _pieces(rng, shape, scanned=scanned, unit=unit, centre=centre, radius=radius)
    tissue_distance = signed_distance(tissue, step)
    if tumour:
        in_tissue = tissue_distance > 1.5 * step
        whole = _keep_largest(bed & in_tissue) & in_tissue
        viable, necrosis, bands = _inside_bed(rng, whole, centre=centre, radius=radius, unit=unit)
    else:
        whole = viable = necrosis = bands = np.zeros(shape, bool)
    whole_distance = signed_distance(whole, step)

    capsule = (whole_distance < 0) & (whole_distance > -110 * scale)
    capsule &= smooth_noise(rng, shape, 400 * unit) > -0.4
    septa = np.abs(smooth_noise(rng, shape, 330 * unit)) < 0.045
    septa &= smooth_noise(rng, shape, 500 * unit) > -0.2
    lumen, walls = place_vessels(rng, tissue_distance, whole_distance, step=step, scale=scale)
    lymphoid = smooth_noise(rng, shape, 260 * unit) > rng.uniform(0.75, 1.3)
    fat = smooth_noise(rng, shape, 420 * unit) > rng.uniform(0.3, 1.6)
    stroma = bands | ((capsule | septa | walls) & ~whole)
    return Layout(
        step_px=step,
        tissue=tissue_distance,
        whole=whole_distance,
        viable=signed_distance(viable, step),
        necrosis=signed_distance(necrosis, step),
        stroma=signed_distance(stroma, step),
        lumen=lumen,
        lymphoid=signed_distance(lymphoid & ~whole & ~stroma, step),
        fat=signed_distance(fat & ~whole & ~stroma, step),
    )


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Draw smooth noise of mean 0 and standard deviation 1 (over a long run), sigma in nodes."""
    # Made on a coarser grid where it is smooth anyway: wide filters are what costs.
    every = max(1, int(sigma / 3))
    coarse = tuple(-(-side // every) + 2 for side in shape)
    white = rng.standard_normal(coarse, dtype=np.float32)
    narrow = sigma / every
    blurred = ndimage.gaussian_filter(white, narrow, mode="wrap") * (2 * np.sqrt(np.pi) * narrow)
    if every > 1:
        blurred = ndimage.zoom(blurred, every, order=1, grid_mode=True, mode="nearest")
    return blurred[: shape[0], : shape[1]]


def signed_distance(mask: np.ndarray, step: int) -> np.ndarray:
    """Measure the distance in px, positive inside, smoothed: the zero line is no staircase."""
    if not mask.any():
        return np.full(mask.shape, -1e4, np.float32)
    inside = ndimage.distance_transform_edt(mask) - 0.5 * mask
    outside = ndimage.distance_transform_edt(~mask) - 0.5 * ~mask
    return ndimage.gaussian_filter((inside - outside).astype(np.float32), 1.0) * np.float32(step)


def turn_axes(
    y: np.ndarray, x: np.ndarray, angle: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give places along a direction (from x to y) and across it."""
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def _ragged(
    rng: np.random.Generator, shape: tuple[int, int], waves: dict[float, float]
) -> np.ndarray:
    """Add smooth noises, heights by their sigma in nodes."""
    return sum(height * smooth_noise(rng, shape, sigma) for sigma, height in waves.items())


def _ellipse(
    shape: tuple[int, int], *, centre: tuple[float, float], axes: tuple[float, float], angle: float
) -> np.ndarray:
    """Measure the distance from the centre in units of the axes: 1 on the outline."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    along, across = turn_axes(y - centre[0], x - centre[1], angle)
    return np.hypot(across / axes[0], along / axes[1]).astype(np.float32)


def _bed(
    rng: np.random.Generator, shape: tuple[int, int], *, scanned: tuple[float, float], unit: float
) -> tuple[np.ndarray, tuple[float, float], float]:
    """Lay out a tumour bed of one or two nodules; tell its centre and radius in nodes, too.

    Two nodules touch so closely that their hull adds little: pathologists draw the bed as one
    outline that is nearly convex.
    """
    height, width = scanned
    radius = rng.uniform(1900, 2350) * unit
    side = rng.choice([0.39, 0.61])
    centre = height * rng.uniform(0.47, 0.53), width * (side + rng.uniform(-0.02, 0.02))
    angle = rng.uniform(0, np.pi)
    squeeze = rng.uniform(0.86, 1.0)
    if rng.random() < 0.4:
        shift = 0.33 * radius
        turns = (np.sin(angle) * shift, np.cos(angle) * shift)
        parts = [
            _ellipse(
                shape,
                centre=(centre[0] + sign * turns[0], centre[1] + sign * turns[1]),
                axes=(radius * size * squeeze, radius * size),
                angle=angle,
            )
            for sign, size in ((1, 0.78), (-1, 0.78 * rng.uniform(0.88, 1.0)))
        ]
        # A smooth minimum: no notch where the nodules meet.
        reach = -np.logaddexp(-6 * parts[0], -6 * parts[1]) / 6
    else:
        reach = _ellipse(shape, centre=centre, axes=(radius * squeeze, radius), angle=angle)
    ragged = _ragged(rng, shape, {0.3 * radius: 0.045, 60 * unit: 0.012})
    return _keep_largest(reach + ragged < 1), centre, radius


def _pieces(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    scanned: tuple[float, float],
    unit: float,
    centre: tuple[float, float],
    radius: float,
) -> np.ndarray:
    """Lay out two to four pieces of tissue, the first round `centre`, on a third of the slide."""
    height, width = scanned
    n_others = int(rng.integers(1, 4))
    main = 1 - _ellipse(
        shape, centre=centre, axes=(0.45 * height, 0.33 * width), angle=rng.uniform(-0.2, 0.2)
    )
    reach = [main]
    column = width * (0.86 if centre[1] < width / 2 else 0.14)
    for i in range(n_others):
        at = height * (0.5 + (i - (n_others - 1) / 2) * 0.82 / n_others * rng.uniform(0.95, 1.05))
        axes = 0.36 * height / n_others, 0.11 * width
        reach.append(
            1 - _ellipse(shape, centre=(at, column), axes=axes, angle=rng.uniform(-0.3, 0.3))
        )
    reach = np.sort(reach, axis=0)
    best, second = reach[-1], reach[-2]
    ragged = _ragged(rng, shape, {450 * unit: 0.10, 120 * unit: 0.035, 30 * unit: 0.012})
    # Glass between two pieces, and round the slide.
    y, x = np.ogrid[: shape[0], : shape[1]]
    margin = np.minimum(np.minimum(y, height - y), np.minimum(x, width - x)) - 220 * unit
    field = np.minimum(best + ragged, 1.5 * (best - second) - 0.05)
    field = np.minimum(field, margin / (600 * unit) + ragged)
    target = max(
        rng.uniform(0.34, 0.42), min(0.50, (1.3 * np.pi * radius**2) / (height * width) + 0.08)
    )
    level = np.quantile(field, 1 - target * height * width / field.size)
    # Never up to where the margin forbids it, however little tissue there is.
    tissue = (field > level) & (margin > 0)
    return _drop_small(tissue, 600_000 * unit**2)


def _inside_bed(
    rng: np.random.Generator,
    whole: np.ndarray,
    *,
    centre: tuple[float, float],
    radius: float,
    unit: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share the bed out among viable tumour, necrosis and fibrous bands."""
    shape = whole.shape
    burden = rng.uniform(0.5, 0.9)
    depth = ndimage.distance_transform_edt(whole)
    ridge = np.abs(smooth_noise(rng, shape, 420 * unit))
    bands = whole & (ridge < 0.045) & (smooth_noise(rng, shape, 500 * unit) > 0.5) & (depth > 3)
    bands = _drop_small(bands, 30_000 * unit**2)

    pockets = np.full(shape, -2.0, np.float32)
    for _ in range(round(1 + 2 * (0.9 - burden) / 0.4)):
        turn, far = rng.uniform(0, 2 * np.pi), radius * 0.5 * np.sqrt(rng.random())
        size = rng.uniform(700, 1300) * unit
        at = centre[0] + far * np.sin(turn), centre[1] + far * np.cos(turn)
        axes = size, size * rng.uniform(0.6, 1.0)
        np.maximum(pockets, 1 - _ellipse(shape, centre=at, axes=axes, angle=turn), out=pockets)
    pockets += _ragged(rng, shape, {180 * unit: 0.12, 40 * unit: 0.03})
    # A rim of living tumour round the bed: what is fed from outside lives longest.
    pockets -= np.maximum(0, 1 - depth / (420 * unit))
    # The outline of viable tumour stays a little inside the bed's, simplified or not.
    room = (depth > 1.5) & ~bands
    dead = max(0.0, room.sum() - burden * whole.sum())
    level = np.quantile(pockets[room], 1 - dead / room.sum())
    viable = room & (pockets <= level)
    viable = ~_drop_small(~viable, 3_000 * unit**2) & (depth > 1.5)
    viable = _drop_islands(_drop_small(viable, 20_000 * unit**2))
    return viable, whole & ~viable & ~bands & (depth > 1.5), bands


def place_vessels(
    rng: np.random.Generator, tissue: np.ndarray, whole: np.ndarray, *, step: int, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Place lumina (signed distance in px) and fibrous walls round them, outside the bed."""
    y, x = np.ogrid[: tissue.shape[0], : tissue.shape[1]]
    lumen = np.full(tissue.shape, -1e4, np.float32)
    walls = np.zeros(tissue.shape, bool)
    spots = np.argwhere((tissue > 150 * scale) & (whole < -260 * scale))
    if len(spots) == 0:
        return lumen, walls
    n_vessels = max(3, round(len(spots) * step**2 / 650_000 / max(scale, 0.3)))
    for row, column in spots[rng.integers(len(spots), size=n_vessels)]:
        size = max(
            rng.choice([30, 45, 70, 130], p=[0.4, 0.3, 0.2, 0.1]) * max(scale, 0.5), 3 * step
        )
        turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.5, 1)
        along, across = turn_axes((y - row) * step, (x - column) * step, turn)
        reach = np.hypot(across / squeeze, along).astype(np.float32)
        np.maximum(lumen, size - reach, out=lumen)
        walls |= reach < size + rng.uniform(30, 110) * scale
    return lumen, walls


def _labels(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, n = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=n + 1)
    sizes[0] = 0
    return labels, sizes


def _keep_largest(mask: np.ndarray) -> np.ndarray:
    labels, sizes = _labels(mask)
    return ndimage.binary_fill_holes(labels == sizes.argmax())


def _drop_small(mask: np.ndarray, min_nodes: float) -> np.ndarray:
    labels, sizes = _labels(mask)
    return ((sizes >= min_nodes) & (sizes > 0))[labels]


def _drop_islands(mask: np.ndarray) -> np.ndarray:
    """Drop parts that lie in a hole of another part: a hole in an annotation takes all of it."""
    labels, sizes = _labels(mask)
    kept = mask.copy()
    for i in np.flatnonzero(sizes):
        inside = labels[ndimage.binary_fill_holes(labels == i)]
        for island in np.setdiff1d(inside, [0, i]):
            kept[labels == island] = False
    return kept
