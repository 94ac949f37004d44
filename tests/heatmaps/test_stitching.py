"""Heatmaps are the mean of overlapping patches, whatever the stride, the scale and the bands."""

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.pictures import grid_of
from helpers.whole_arrays import in_bands
from microtome.heatmaps.codes import decode, encode
from microtome.heatmaps.stitching import Stitcher
from microtome.inference.score_store import open_scores, write_scores
from microtome.patches.grid import Grid, count_patches


def cut(heatmap: np.ndarray, *, side: int, stride: int) -> tuple:
    """Cut a map into overlapping patches; what hangs over the edge is -1, far from any value."""
    height, width = heatmap.shape
    padded = np.full((height + side, width + side), -1, np.float32)
    padded[:height, :width] = heatmap
    rows, columns = (count_patches(n, patch_px=side, stride_px=stride) for n in heatmap.shape)
    places = [(r, c) for r in range(rows) for c in range(columns)]
    patches = [
        padded[r * stride : r * stride + side, c * stride : c * stride + side] for r, c in places
    ]
    return grid_of(places, patch_px=side, stride_px=stride), np.array(patches)


def by_loop(grid: Grid, probability: np.ndarray, size_px: tuple[int, int], scale: float):
    """Stitch patch by patch and px by px: slow and plain."""
    height, width = (int(np.ceil(n / scale)) for n in size_px[::-1])
    total, count = np.zeros((height, width)), np.zeros((height, width))
    side = grid.patch_px * grid.scale
    for left, top, patch in zip(grid.x_px, grid.y_px, probability, strict=True):
        for y in range(height):
            for x in range(width):
                # The centre of the heatmap px in level-0 px, from the patch's corner.
                dy, dx = (y + 0.5) * scale - top, (x + 0.5) * scale - left
                if 0 <= dy < side and 0 <= dx < side:
                    i, j = int(dy / side * patch.shape[0]), int(dx / side * patch.shape[1])
                    total[y, x] += patch[i, j]
                    count[y, x] += 1
    with np.errstate(invalid="ignore"):
        return total / count


def stitched(grid: Grid, patches: np.ndarray, size: tuple[int, int], **options: str) -> np.ndarray:
    """Stitch patches at once at the scale of level 0, height and width given."""
    stitcher = Stitcher(grid, patches, size_px=size[::-1], scale=1.0, **options)
    assert stitcher.shape == size
    return stitcher.rows(0, size[0])


@pytest.mark.parametrize("blending", ["mean", "gaussian"])
@pytest.mark.parametrize("stride", [8, 4, 3, 5, 7, 1])
@pytest.mark.parametrize("size", [(40, 56), (41, 53), (8, 8), (5, 30)])
def test_cut_and_stitched_is_the_map(size, stride, blending):
    """Cutting a map into patches and stitching gives it back, to the edges, however weighed."""
    heatmap = np.random.default_rng(0).random(size).astype(np.float32)
    grid, patches = cut(heatmap, side=8, stride=stride)
    np.testing.assert_allclose(stitched(grid, patches, size, blending=blending), heatmap, atol=1e-6)


# Sigma of the window is 1 px; of the four px that both cover, the first is 0.5 px from the middle
# of the first patch and 3.5 from that of the second.
NEAR = np.exp(-(np.array([0.5, 1.5, 2.5, 3.5]) ** 2) / 2)
WEIGHED = (0.2 * NEAR + 0.8 * NEAR[::-1]) / (NEAR + NEAR[::-1])


@pytest.mark.parametrize(("blending", "both"), [("mean", [0.5] * 4), ("gaussian", WEIGHED)])
def test_patches_that_overlap_by_hand(blending, both):
    """Two patches of 0.2 and 0.8 that share half of each: their mean there, or by distance."""
    grid = grid_of([(0, 0), (0, 1)], patch_px=8, stride_px=4)
    patches = np.array([0.2, 0.8], np.float32)[:, None, None]
    expected = [*[0.2] * 4, *both, *[0.8] * 4, np.nan, np.nan]
    found = stitched(grid, patches, (8, 14), blending=blending)
    np.testing.assert_allclose(found, np.tile(expected, (8, 1)), atol=1e-6)


@settings(max_examples=60)
@given(
    side=st.sampled_from([8, 12, 16]),
    stride=st.integers(3, 20),
    grid_scale=st.sampled_from([1.0, 2.0, 1.3]),
    scale=st.sampled_from([1.0, 2.0, 3.0, 4.0, 2.6]),
    map_side=st.sampled_from([1, 2, 4]),
    n_rows=st.integers(1, 70),
    seed=st.integers(0, 999),
)
def test_stitching_against_a_loop(*, side, stride, grid_scale, scale, map_side, n_rows, seed):
    """Any geometry in bands of any height gives what a loop over patches and px gives."""
    rng = np.random.default_rng(seed)
    size_px = (int(rng.integers(30, 70)), int(rng.integers(30, 70)))
    columns, rows = (
        count_patches(n, patch_px=side * grid_scale, stride_px=stride * grid_scale) for n in size_px
    )
    places = [(r, c) for r in range(rows) for c in range(columns) if rng.random() < 0.7] or [(0, 0)]
    grid = grid_of(places, patch_px=side, stride_px=stride, scale=grid_scale)
    patches = rng.random((len(places), map_side, map_side)).astype(np.float32)
    stitcher = Stitcher(grid, patches, size_px=size_px, scale=scale)
    found = in_bands(stitcher.rows, stitcher.shape[0], n_rows)
    expected = by_loop(grid, patches, size_px, scale)
    # Where a centre lies on a border but for rounding, either side is right: such px are few.
    near = _on_a_border(grid, stitcher.shape, scale, map_side)
    np.testing.assert_array_equal(np.isnan(found)[~near], np.isnan(expected)[~near])
    np.testing.assert_allclose(found[~near], expected[~near], atol=1e-6)


def _on_a_border(grid: Grid, shape: tuple[int, int], scale: float, map_side: int) -> np.ndarray:
    """Px whose centre is within 1e-6 of a border of a patch or of a px of its map."""
    step = grid.patch_px * grid.scale / map_side

    def near(corners: np.ndarray, n: int) -> np.ndarray:
        offset = ((np.arange(n) + 0.5) * scale - np.unique(corners)[:, None]) / step
        return (np.abs(offset - np.round(offset)) < 1e-6).any(0)

    return near(grid.y_px, shape[0])[:, None] | near(grid.x_px, shape[1])[None]


@settings(max_examples=40)
@given(
    map_side=st.sampled_from([1, 3]),
    scale=st.sampled_from([1.0, 2.0, 2.6]),
    n_rows=st.integers(1, 60),
    seed=st.integers(0, 999),
)
def test_a_heatmap_of_a_store_skips_patches_without_a_score(
    tmp_path_factory, *, map_side, scale, n_rows, seed
):
    """Read from disk, with NaN for patches that lack: the heatmap of the patches there are."""
    rng = np.random.default_rng(seed)
    places = [(r, c) for r in range(9) for c in range(7)]
    grid = grid_of(places, patch_px=16, stride_px=7, scale=1.5)
    patches = rng.random((len(places), map_side, map_side)).astype(np.float32)
    known = np.flatnonzero(rng.random(len(places)) < 0.6)
    path = tmp_path_factory.mktemp("scores") / "a.zarr"
    write_scores(path, [(known, {"probability": patches[known]})], grid, origin={})
    scores = open_scores(path)
    stored = Stitcher(scores.grid, scores.probability, size_px=(80, 110), scale=scale)
    only = Stitcher(grid.subset(known), patches[known], size_px=(80, 110), scale=scale)
    expected = encode(only.rows(0, only.shape[0]))
    np.testing.assert_array_equal(in_bands(stored.encoded_rows, stored.shape[0], n_rows), expected)


def test_every_chunk_of_a_store_is_read_once_a_band(monkeypatch):
    """A chunk is decoded whole, so a band asks for each chunk of its own patches once."""
    heatmap = np.random.default_rng(5).random((64, 40)).astype(np.float32)
    grid, patches = cut(heatmap, side=8, stride=4)
    stored = zarr.create_array({}, shape=patches.shape, chunks=(7, 8, 8), dtype=np.float32)
    stored[:] = patches
    asked, read = [], zarr.Array.__getitem__

    def noted(array: zarr.Array, part: slice) -> np.ndarray:
        asked.append((part.start // 7, (part.stop - 1) // 7))
        return read(array, part)

    monkeypatch.setattr(zarr.Array, "__getitem__", noted)
    found = Stitcher(grid, stored, size_px=(40, 64), scale=1.0).rows(10, 20)
    np.testing.assert_allclose(found, heatmap[10:30], atol=1e-6)
    # Rows 10 to 30 lie in patches 9 to 71, of nine in a row: in no other chunk than these.
    assert sorted(asked) == [(i, i) for i in range(1, 11)]


def test_bands_are_half_as_high_as_a_patch(monkeypatch):
    """Of large patches on a wide slide: lower bands would decode each patch many times."""
    asked = []

    def noted(stitcher: Stitcher, first_row: int, n_rows: int) -> np.ndarray:
        asked.append((first_row, n_rows))
        return np.zeros((n_rows, stitcher.shape[1]))

    monkeypatch.setattr(Stitcher, "rows", noted)
    grid = grid_of([(0, 0)], patch_px=1000)
    maps = np.zeros((1, 1, 1), np.float32)
    Stitcher(grid, maps, size_px=(3000, 1200), scale=1.0).encoded_rows(100, 900)
    assert asked == [(100, 500), (600, 400)]


def test_a_slide_without_scores_is_all_nan():
    """No patch with a score: a heatmap of the slide's size without values."""
    stitcher = Stitcher(
        grid_of([], patch_px=8), np.empty((0, 1, 1), np.float32), size_px=(50, 30), scale=4.0
    )
    found = stitcher.rows(0, 8)
    assert found.shape == (8, 13)
    assert np.isnan(found).all()


@settings(max_examples=60)
@given(
    stride=st.integers(3, 20),
    scale=st.sampled_from([1.0, 2.0, 2.6]),
    n_rows=st.integers(1, 40),
    seed=st.integers(0, 999),
)
def test_covered_is_where_patches_lie(*, stride, scale, n_rows, seed):
    """Px with a value are covered, scored or not; so is what only fills the last row or column."""
    rng = np.random.default_rng(seed)
    size_px = (int(rng.integers(30, 70)), int(rng.integers(30, 70)))
    columns, rows = (count_patches(n, patch_px=12, stride_px=stride) for n in size_px)
    places = [(r, c) for r in range(rows) for c in range(columns) if rng.random() < 0.5]
    grid = grid_of(places, patch_px=12, stride_px=stride)
    stitcher = Stitcher(grid, np.ones((len(grid), 1, 1)), size_px=size_px, scale=scale)
    blank = Stitcher(grid, np.full((len(grid), 1, 1), np.nan), size_px=size_px, scale=scale)
    expected = ~np.isnan(stitcher.rows(0, stitcher.shape[0]))
    centres = [(np.arange(n) + 0.5) * scale for n in stitcher.shape]
    outside = (centres[0] >= size_px[1])[:, None] | (centres[1] >= size_px[0])
    found = in_bands(blank.is_covered, stitcher.shape[0], n_rows)
    np.testing.assert_array_equal(found, expected | outside)


def test_encoding_by_hand():
    """0 stands for unknown, 1 for probability 0, 255 for 1; every code comes back."""
    found = encode(np.array([np.nan, 0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(found, [0, 1, 128, 255])
    assert found.dtype == np.uint8
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(encode(decode(codes)), codes)


@given(st.lists(st.floats(0, 1) | st.just(np.nan), min_size=1))
def test_decoding_gives_the_probability_back(values):
    """Within half a step, but never from below one half up to it; unknown stays unknown."""
    values = np.array(values)
    found = decode(encode(values))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    near = np.where((values < 0.5) & (values > 0.5 - 1 / 508), 1 / 254, 1 / 508)
    assert not (np.abs(found - values) > near + 1e-6).any()
    np.testing.assert_array_equal(found >= 0.5, values >= 0.5)
