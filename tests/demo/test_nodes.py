"""Lymph nodes of the demo cohort: their metastases have the sizes their labels say."""

import zlib

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist, pdist

from helpers.drawn_slides import coarseness, cut_patches, separation, stained
from microtome.demo.blobs import STEP_PX, Grid
from microtome.demo.layout import Layout
from microtome.demo.metastases import place_metastases
from microtome.demo.nodes import SIZES_PX, draw_node, plan_node
from microtome.demo.outlines import Outlines, fill, trace
from microtome.demo.slide import DemoSlide
from microtome.errors import InputError
from microtome.staging.pn_stages import CLASSES

SPACING_UM = 0.5


def plan(category: str, seed: int | list[int]) -> tuple[Layout, np.ndarray]:
    """Plan a node: what a drawn slide has but for its pixels."""
    return plan_node(np.random.default_rng(seed), category=category)


def masks(layout: Layout, category: str) -> tuple[np.ndarray, np.ndarray]:
    """Viable and whole tumour of a plan."""
    width_px, height_px = SIZES_PX[category]
    outlines = trace(layout.whole, layout.viable, step_px=layout.step_px)
    return fill(outlines, width_px=width_px, height_px=height_px)


def lengths_um(mask: np.ndarray) -> list[float]:
    """Largest distance between two corners of pixels of each connected piece of a mask."""
    labels, n = ndimage.label(mask, np.ones((3, 3)))
    found = []
    for i, window in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[window] == i
        y = np.flatnonzero(piece.any(axis=1))
        left, right = piece[y].argmax(axis=1), piece.shape[1] - piece[y, ::-1].argmax(axis=1)
        corners = np.concatenate([np.stack([y + k, x]).T for k in (0, 1) for x in (left, right)])
        found.append(pdist(corners[ConvexHull(corners).vertices]).max() * SPACING_UM)
    assert len(found) == n
    return found


@pytest.fixture(scope="module")
def negative() -> DemoSlide:
    """Draw a node without tumour."""
    return draw_node("patient_101_node_0", seed=2021, category="negative")


@pytest.fixture(scope="module")
def micro() -> DemoSlide:
    """Draw a node with a micrometastasis."""
    return draw_node("patient_101_node_3", seed=2021, category="micro")


@pytest.mark.parametrize(
    ("category", "low_um", "high_um", "seeds"),
    [("itc", 110, 190, 10), ("micro", 400, 1100, 4), ("macro", 2150, 2500, 3)],
)
def test_lengths_of_viable_tumour(category, low_um, high_um, seeds):
    """At several seeds every metastasis is as long as its class, and lies apart from others."""
    found, numbers = [], []
    for seed in range(seeds):
        viable, _ = masks(plan(category, seed)[0], category)
        lengths = lengths_um(viable)
        found += lengths
        numbers.append(len(lengths))
    # A mask ends up to a pixel from its outline, at both ends.
    assert min(found) > low_um - 2
    assert max(found) < high_um + 2
    assert max(found) > 1.02 * min(found)
    assert set(numbers) == ({1, 2} if category == "itc" else {1})


def test_clusters_in_a_tight_node():
    """They stay off the capsule and 150 µm apart: the organizers join what is nearer than 75."""
    grid = Grid(1600, 1600)
    node = (600 - np.hypot(grid.x - 800, grid.y - 800)).astype(np.float32)
    gaps_um = []
    for seed in range(20):
        found = place_metastases(np.random.default_rng(seed), grid, node, category="itc")
        assert node[found > 0].min() > 10
        labels, n = ndimage.label(found > 0)
        if n == 2:
            first, second = (np.argwhere(labels == i) for i in (1, 2))
            gaps_um.append(cdist(first, second).min() * STEP_PX * SPACING_UM)
    assert len(gaps_um) > 5
    assert min(gaps_um) > 150


@pytest.mark.parametrize("category", ["itc", "micro", "macro"])
def test_metastases_lie_within_the_node(category):
    """Beneath its capsule, and not in the fat."""
    for seed in range(2 if category == "macro" else 6):
        layout, _ = plan(category, seed)
        assert layout.tissue[layout.whole > 0].min() > 4
        assert (layout.lumen[layout.whole > 8] < 0).all()
        assert (layout.stroma[layout.whole > 8] < 4).all()


def test_whole_is_viable_but_for_a_little_necrosis():
    """Some macrometastases hold necrosis, which is cut from viable tumour; no others do."""
    for category in ("itc", "micro"):
        viable, whole = masks(plan(category, 0)[0], category)
        assert viable.any()
        assert (viable == whole).all()
    shares = []
    for seed in range(3):
        layout, _ = plan("macro", seed)
        viable = layout.viable > 0
        whole = layout.whole > 0
        assert (whole == (viable | (layout.necrosis >= 0))).all()
        assert not (viable & (layout.necrosis > 0)).any()
        shares.append((layout.necrosis > 0).sum() / whole.sum())
    assert min(shares) == 0
    assert 0.003 < max(shares) < 0.1


def test_slides_are_small_and_half_full(negative, micro):
    """Tissue takes 45 to 65 % of a slide and touches no edge; a negative node has no tumour."""
    assert negative.outlines == Outlines()
    assert not negative.viable.any()
    assert not negative.whole.any()
    for slide, category in ((negative, "negative"), (micro, "micro")):
        width_px, height_px = SIZES_PX[category]
        assert slide.pixels.shape == (height_px, width_px, 3)
        assert slide.viable.shape == slide.whole.shape == (height_px, width_px)
        assert 0.45 < stained(slide.pixels).mean() < 0.65
    # The fat of the second would come near the edge if it were let.
    for category, seed in (("negative", 1), ("negative", 7), ("itc", 1), ("micro", 1)):
        tissue = plan(category, seed)[0].tissue
        for edge in (tissue[0], tissue[-1], tissue[:, 0], tissue[:, -1]):
            assert edge.max() < -36


def test_a_capsule_goes_round_and_lymphocytes_fill():
    """Fibres along the outline; lymphocytes in most of what is inside, and pale centres in it."""
    layout, _ = plan("negative", 2)
    # The node is the largest piece of tissue that is not emptied fat, its depth that from outside.
    node, _ = ndimage.label(ndimage.binary_opening((layout.tissue > 0) & (layout.lumen < 0)))
    node = ndimage.binary_fill_holes(node == np.bincount(node.ravel())[1:].argmax() + 1)
    depth_px = ndimage.distance_transform_edt(node) * layout.step_px
    rim, inside = (depth_px > 8) & (depth_px < 20), depth_px > 120
    assert (layout.stroma[rim] > -4).mean() > 0.9
    assert (layout.stroma[inside] > 0).mean() < 0.12
    assert 0.5 < (layout.lymphoid[inside] > 0).mean() < 0.9
    holes = ndimage.binary_fill_holes(layout.lymphoid > 0) & ~(layout.lymphoid > 0) & inside
    labels, _ = ndimage.label(holes)
    sizes_um2 = np.bincount(labels.ravel())[1:] * (layout.step_px * SPACING_UM) ** 2
    assert ((sizes_um2 > 3000) & (sizes_um2 < 12_000)).sum() >= 4


def test_fat_cells_are_empty_and_vessels_are_not(negative):
    """Only vessels hold red cells: the deep inside of a fat cell is bare glass."""
    layout, vessels = plan("negative", [2021, zlib.crc32(b"patient_101_node_0")])

    def shown(field: np.ndarray) -> np.ndarray:
        rows, columns = np.nonzero(field)
        at = layout.step_px * rows + 4, layout.step_px * columns + 4
        return negative.pixels[at].astype(int)

    fat = shown((layout.lumen > 14) & (vessels < 0) & (layout.lymphoid < -60))
    assert len(fat) > 500
    assert fat.min() > 220
    blood = shown(vessels > 14)
    assert len(blood) > 10
    assert blood.min() < 215


def test_structure_gives_the_tumour_away(micro):
    """As on the other demo slides: large irregular nuclei against small ones, at 1 µm/px."""
    patches, is_tumour = cut_patches([micro])
    value = coarseness(patches)
    assert 50 < is_tumour.sum() < len(is_tumour) - 200
    assert separation(value[~is_tumour], value[is_tumour]) > 0.93


def test_ids_and_seeds_give_other_nodes(negative):
    """Another id or seed gives another picture."""
    for slide, seed in (("patient_101_node_1", 2021), ("patient_101_node_0", 2022)):
        other = draw_node(slide, seed=seed, category="negative")
        assert (stained(other.pixels) != stained(negative.pixels)).mean() > 0.01


def test_another_category_is_refused():
    """The line names the slide and what there is: the classes of the challenge."""
    line = "slide patient_101_node_0: label: 'Macro' is no category of a lymph node; give one of"
    with pytest.raises(InputError, match=f"^{line} {', '.join(CLASSES)}$"):
        draw_node("patient_101_node_0", seed=1, category="Macro")
