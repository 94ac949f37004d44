"""Every px of tissue is scored, whatever its shape, the slide's size and the patches'."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.heatmaps.step import require_covered
from microtome.heatmaps.stitching import Stitcher
from microtome.patches.grid import make_grid
from microtome.patches.grid_spec import GridSpec
from microtome.rasters.bands import rows_of
from microtome.rasters.label_tiff import write_array


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
    size_px = (8 * shape[1] - 3, 8 * shape[0] - 5)  # the last mask px lie half outside
    grid = make_grid(
        GridSpec(0.5 * scale, patch_px, round(step * patch_px)),
        name="a",
        size_px=size_px,
        scale=scale,
        spacing_um=0.5 * scale,
        tissue=(rows_of(tissue), shape, 8.0),
        truth=None,
        label_rule="any",
        min_tumour_fraction=0.3,
    )
    maps = np.ones((len(grid), 1, 1), np.float32)
    stitcher = Stitcher(grid, maps, size_px=size_px, scale=8.0)
    path = tmp_path_factory.mktemp("t") / "t.tif"
    write_array(path, tissue, spacing_um=4.0)
    require_covered(stitcher, path, spacing_um=4.0, name="a")
    assert not np.isnan(stitcher.rows(0, shape[0])[tissue][:1]).any()
