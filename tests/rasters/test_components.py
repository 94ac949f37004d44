"""Pieces of a mask in bands, against labels of the whole array."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import label

from microtome.rasters.bands import rows_of
from microtome.rasters.components import keep_seeded
from microtome.rasters.disk_raster import spool_rows


def kept(mask: np.ndarray, seeds: np.ndarray, *, n_rows: int | None) -> np.ndarray:
    """Keep the pieces with a seed of a mask that lies on disk."""
    with (
        tempfile.TemporaryDirectory() as folder,
        spool_rows(rows_of(mask), mask.shape, bool, beside=Path(folder) / "a.tif") as spool,
    ):
        keep_seeded(spool, rows_of(seeds), n_rows=n_rows)
        return spool.rows(0, len(mask))


def seeded(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Keep pieces with a seed, one by one."""
    pieces = label(mask, connectivity=1)
    kept = np.zeros_like(mask)
    for i in range(1, pieces.max() + 1):
        if seeds[pieces == i].any():
            kept |= pieces == i
    return kept


MASKS = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(lambda s: arrays(bool, s))


@given(MASKS, st.data(), st.sampled_from([1, 2, 3, 5, 12, None]))
def test_seeds_keep_their_pieces(mask, data, n_rows):
    """Exactly the pieces with a seed stay, in bands of any height; seeds outside add nothing."""
    seeds = data.draw(arrays(bool, mask.shape, elements=st.integers(0, 4).map(lambda i: i == 0)))
    found = kept(mask, seeds, n_rows=n_rows)
    np.testing.assert_array_equal(found, seeded(mask, seeds))
