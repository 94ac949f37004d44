"""Every px of tissue is scored, whatever its shape, the slide's size and the patches'."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.heatmaps.step import require_covered
from microtome.heatmaps.stitching import Stitcher
from microtome.patches.grid import make_grid
from microtome.patches.grid_spec import GridSpec
from microtome.rasters.bands import rows_of
from microtome.rasters.label_tiff import write_array


def covers(folder, tissue: np.ndarray, *, patch_px: int, stride_px: int, scale: float) -> Stitcher:
    """Lay a grid over the tissue, at 8 level-0 px a mask px, and look whether it covers it all."""
    height, width = tissue.shape
    grid = make_grid(
        GridSpec(0.5 * scale, patch_px, stride_px),
        name="a",
        size_px=(8 * width - 3, 8 * height - 5),  # the last mask px lie half outside
        scale=scale,
        spacing_um=0.5 * scale,
        tissue=(rows_of(tissue), tissue.shape, 8.0),
        truth=None,
        label_rule="any",
        min_tumour_fraction=0.3,
    )
    maps = np.ones((len(grid), 1, 1), np.float32)
    stitcher = Stitcher(grid, maps, size_px=(8 * width - 3, 8 * height - 5), scale=8.0)
    write_array(folder / "t.tif", tissue, spacing_um=4.0)
    require_covered(stitcher, folder / "t.tif", spacing_um=4.0, name="a")
    return stitcher


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(4, 30), st.integers(4, 30)),
    patch_px=st.sampled_from([16, 32, 96, 1024]),
    step=st.sampled_from([0.25, 0.5, 1.0]),
    scale=st.sampled_from([1.0, 2.0, 3.7]),
    seed=st.integers(0, 999),
)
def test_tissue_is_covered(tmp_path_factory, *, shape, patch_px, step, scale, seed):
    """Scattered px of tissue, patches that overlap or touch, or are larger than the slide."""
    rng = np.random.default_rng(seed)
    tissue = rng.random(shape) < 0.1
    tissue[1, 2] = True  # some there is, not at the edge that lies outside
    stride_px = max(1, round(step * patch_px))
    folder = tmp_path_factory.mktemp("t")
    stitcher = covers(folder, tissue, patch_px=patch_px, stride_px=stride_px, scale=scale)
    values = stitcher.rows(0, shape[0])
    assert not np.isnan(values[tissue][:1]).any()


@pytest.mark.parametrize("place", [(0, 0), (5, 20), (10, 3)])
def test_tissue_narrower_than_a_patch(tmp_path, place):
    """One px of tissue is scored by the patches that hold it, four where half overlaps."""
    tissue = np.zeros((24, 32), bool)
    tissue[place] = True
    stitcher = covers(tmp_path, tissue, patch_px=64, stride_px=32, scale=1.0)
    assert stitcher.rows(*place[:1], 1)[0, place[1]] == 1
