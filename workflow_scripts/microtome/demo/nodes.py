"""Lymph nodes of the demo cohort, small enough that twenty of them are drawn and scored at once.

A schematic of a section: a capsule with trabeculae, a pale sinus under it, a cortex of small dark
nuclei with germinal centres, cords and sinuses of the medulla, vessels and fat at the hilum, and
in most nodes a metastasis of a size that pathologists have a name for.
"""

import zlib

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from microtome.demo.blobs import STEP_PX, Grid, draw_blob
from microtome.demo.layout import Layout, place_vessels, signed_distance
from microtome.demo.metastases import place_metastases, place_necrosis
from microtome.demo.slide import DemoSlide, draw_layout
from microtome.errors import InputError

# Width and height of a slide by the category of its node: no larger than the metastasis needs.
SIZES_PX = {
    "negative": (2560, 2048),
    "itc": (2560, 2048),
    "micro": (3584, 2560),
    "macro": (6144, 4096),
}

# Clean glass round the tissue.
EDGE_PX = 50
FAT_CELL_PX = 84
# Of the vessels of a slide of 8000 x 7000 px.
VESSEL_SCALE = 0.5
# Between the middles of germinal centres.
CENTRE_PITCH_PX = 330
# Nuclei of normal cells keep 10 px away from a lumen: where one is nearly there, some are left
# out, and all that is seen of it is a blush.
FEW_NUCLEI_PX = -11


def draw_node(slide: str, *, seed: int, category: str) -> DemoSlide:
    """Draw a slide of one lymph node at 0.5 µm/px.

    Parameters
    ----------
    slide : str
        Its id; other ids give other slides.
    seed : int
        Of the cohort.
    category : {'negative', 'itc', 'micro', 'macro'}
        No tumour; one or two clusters of 110 to 190 µm; a metastasis of 0.4 to 1.1 mm; one of
        2.15 to 2.5 mm (largest diameter of viable tumour). `SIZES_PX` has the slides' sizes.

    Returns
    -------
    DemoSlide
        The same for the same arguments. `whole` is what the metastasis takes up; it is `viable`
        but for a little necrosis in some macrometastases.

    Raises
    ------
    InputError
        The category is none of these.
    """
    if category not in SIZES_PX:
        raise InputError(
            f"slide {slide}: label: {category!r} is no category of a lymph node; give one of"
            f" {', '.join(SIZES_PX)}"
        )
    width_px, height_px = size_px = SIZES_PX[category]
    # Not hash(): that one differs from run to run.
    rng = np.random.default_rng([seed, zlib.crc32(slide.encode())])
    layout, vessels = plan_node(rng, category=category)
    return draw_layout(
        rng, layout, width_px=width_px, height_px=height_px, scanned_px=size_px, vessels=vessels
    )


def plan_node(rng: np.random.Generator, *, category: str) -> tuple[Layout, np.ndarray]:
    """Plan a slide of one lymph node.

    The lumina of the plan are those of vessels and of fat cells, which are as empty. Beside it
    stands the signed distance to the lumina of vessels alone, float32 of shape (rows, columns) in
    px.
    """
    grid = Grid(*SIZES_PX[category])
    node, hilum = _node(rng, grid)
    fat = _fat_zone(rng, grid, hilum)
    whole = place_metastases(rng, grid, node, category=category)
    necrosis = np.full(grid.shape, -1e4, np.float32)
    if category == "macro" and rng.random() < 0.5:
        necrosis = place_necrosis(rng, grid, whole)

    lymphoid, medulla, pale = _inside_node(rng, grid, node, hilum)
    deep = signed_distance(medulla & (node > 60), STEP_PX)
    vessels, walls = place_vessels(rng, deep, whole, step=STEP_PX, scale=VESSEL_SCALE)
    capsule = (node > 0) & (node < 30 + 8 * grid.noise(rng, 160))
    stroma = capsule | walls | _trabeculae(rng, grid, node)
    if category != "itc":
        stroma |= (whole > -30) & (grid.noise(rng, 120) > 0)
    stroma &= (whole < 0) & (node > 0)
    stroma_distance = signed_distance(stroma, STEP_PX)
    filled = np.maximum(whole, stroma_distance)
    empty = (
        vessels,
        _fat_cells(rng, grid, np.minimum(fat, -node - 6)),
        np.minimum(_sinuses(rng, grid, node, deep), -filled - 8),
        np.where(pale & (filled < -8), FEW_NUCLEI_PX + 2.5 * grid.noise(rng, 12), -1e4),
    )
    layout = Layout(
        step_px=STEP_PX,
        tissue=np.maximum(node, fat),
        whole=whole,
        viable=np.minimum(whole, -necrosis),
        necrosis=necrosis,
        stroma=stroma_distance,
        lumen=np.maximum.reduce(empty).astype(np.float32),
        lymphoid=signed_distance(lymphoid & ~stroma & (whole < 0), STEP_PX),
        fat=np.full(grid.shape, -1e4, np.float32),
    )
    return layout, vessels


def _node(rng: np.random.Generator, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Draw a bean: signed distance to the node's outline, and the place (x, y) of its hilum."""
    width, height = grid.width_px, grid.height_px
    half = width * rng.uniform(0.425, 0.45), height * rng.uniform(0.40, 0.42)
    side = rng.choice([-1, 1])
    # The fat of the hilum takes room on its side.
    centre = np.array([0.5 * width, height * (0.5 - 0.025 * side)])
    bean = draw_blob(rng, half, turn=rng.uniform(-0.04, 0.04), ragged=0.03, times=range(3, 7))
    hilum = centre + np.array([half[0] * rng.uniform(-0.25, 0.25), side * half[1] * 0.98])
    inside = bean.field(grid, centre) > 0
    notch = np.hypot((grid.x - hilum[0]) / (0.16 * width), (grid.y - hilum[1]) / (0.15 * height))
    bitten = signed_distance(inside & (notch > 1 + 0.06 * grid.noise(rng, 120)), STEP_PX)
    # Where the notch begins, the outline is to turn gently.
    return ndimage.gaussian_filter(bitten, 60 / STEP_PX), hilum


def _fat_zone(rng: np.random.Generator, grid: Grid, hilum: np.ndarray) -> np.ndarray:
    """Signed distance to the fat in and about the hilum; it reaches under the node."""
    width, height = grid.width_px, grid.height_px
    centre_y = hilum[1] - np.sign(hilum[1] - height / 2) * 0.06 * height
    reach = np.hypot((grid.x - hilum[0]) / (0.24 * width), (grid.y - centre_y) / (0.15 * height))
    edge = np.minimum(np.minimum(grid.x, width - grid.x), np.minimum(grid.y, height - grid.y))
    ragged = 0.06 * grid.noise(rng, 160) + 0.03 * grid.noise(rng, 40)
    return signed_distance((reach + ragged < 1) & (edge > EDGE_PX), STEP_PX)


def _fat_cells(rng: np.random.Generator, grid: Grid, zone: np.ndarray) -> np.ndarray:
    """Signed distance to the emptied insides of fat cells: many-cornered, thin walls between."""
    cells = np.full(grid.shape, -1e4, np.float32)
    rows, columns = np.nonzero(zone > -FAT_CELL_PX)
    if len(rows) == 0:
        return cells
    y = np.arange(0, grid.height_px + FAT_CELL_PX, 0.87 * FAT_CELL_PX)
    x = np.arange(0, grid.width_px + FAT_CELL_PX, FAT_CELL_PX)
    seeds = np.stack(np.meshgrid(x, y), axis=-1)
    seeds[1::2, :, 0] += FAT_CELL_PX / 2
    seeds = seeds.reshape(-1, 2) + rng.normal(0, 0.17 * FAT_CELL_PX, (seeds.size // 2, 2))
    places = np.stack([grid.x[0, columns], grid.y[rows, 0]], axis=1)
    nearest, second = KDTree(seeds).query(places, k=2)[0].T
    # Corners are rounded off: a cell is no larger than a circle.
    inside = np.minimum((second - nearest) / 2 - 3, 0.62 * FAT_CELL_PX - nearest)
    cells[rows, columns] = np.minimum(inside, zone[rows, columns])
    return cells


def _inside_node(
    rng: np.random.Generator, grid: Grid, node: np.ndarray, hilum: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tell where lymphocytes lie close (cortex, cords), the medulla, and where nuclei are few."""
    far = np.hypot(
        (grid.x - hilum[0]) / (0.36 * grid.width_px), (grid.y - hilum[1]) / (0.50 * grid.height_px)
    )
    medulla = (far + 0.10 * grid.noise(rng, 220) < 1) & (node > 0)
    sinus = node < 58 + 12 * grid.noise(rng, 120)
    cords = grid.noise(rng, 34) > -0.15
    gaps = (grid.noise(rng, 22) > 1.25) | (np.abs(grid.noise(rng, 70)) < 0.07)
    centres, mantles = _follicles(rng, grid, node, medulla)
    cortex = ~medulla & (~gaps | mantles) & ~centres
    lymphoid = (cortex | (medulla & cords)) & ~sinus
    return lymphoid, medulla, centres | (medulla & ~cords)


def _follicles(
    rng: np.random.Generator, grid: Grid, node: np.ndarray, medulla: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Germinal centres in a row or two along the cortex, and the mantles round them."""
    field = np.full(grid.shape, -1e4, np.float32)
    rows, columns = np.nonzero((node > 190) & (node < 420) & ~medulla)
    order = rng.permutation(len(rows))[:3000]
    places = np.stack([grid.x[0, columns], grid.y[rows, 0]], axis=1)[order]
    chosen: list[np.ndarray] = []
    for place in places:
        if all(np.hypot(*(place - other)) > CENTRE_PITCH_PX for other in chosen):
            chosen.append(place)
    for place in chosen:
        size = rng.uniform(60, 115)
        squeeze = size * rng.uniform(0.75, 1), size
        ball = draw_blob(rng, squeeze, turn=rng.uniform(0, np.pi), ragged=0.1)
        np.maximum(field, ball.field(grid, place), out=field)
    return field > 0, field > -50


def _sinuses(
    rng: np.random.Generator, grid: Grid, node: np.ndarray, deep: np.ndarray
) -> np.ndarray:
    """Signed distance to the spaces in which lymph flows: under the capsule and in the medulla."""
    under = 3 + 9 * grid.noise(rng, 110) - np.abs(node - 54 - 6 * grid.noise(rng, 60))
    slits = 8 - 150 * np.abs(grid.noise(rng, 42)) + 6 * grid.noise(rng, 25)
    return np.maximum(under, np.minimum(slits, deep - 20))


def _trabeculae(rng: np.random.Generator, grid: Grid, node: np.ndarray) -> np.ndarray:
    """Fibrous strands from the capsule inwards."""
    strand = np.abs(grid.noise(rng, 260)) < 0.03
    return strand & (node < 260 + 120 * grid.noise(rng, 200)) & (grid.noise(rng, 200) > 0)
