"""Grids of patches: where they lie, how much of what is in them, and how they are labelled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.errors import InputError
from microtome.patches.grid import (
    Grid,
    Mask,
    count_patches,
    label_patches,
    make_grid,
    measure_windows,
)
from microtome.patches.grid_spec import GridSpec, name_patch_set, split_patch_set
from microtome.rasters.bands import rows_of

SPEC = GridSpec(1.0, 32, 16)


def on_slide(mask: np.ndarray) -> Mask:
    """Lay a mask over the slide."""
    return rows_of(mask), mask.shape, 8.0


def grid(tissue: Mask, **changes: object) -> Grid:
    """Lay a grid over a slide of 256 x 192 px at 0.5 µm/px, its masks at 4 µm/px."""
    about = {"name": "a", "size_px": (256, 192), "scale": 2.0, "spacing_um": 1.0, "truth": None}
    labelling = {"label_rule": "fraction", "min_tumour_fraction": 0.3}
    return make_grid(SPEC, tissue=tissue, **{**about, **labelling, **changes})


def empty() -> np.ndarray:
    """Make a mask of the slide with nothing in it."""
    return np.zeros((24, 32), bool)


FULL = on_slide(empty() | True)


@given(st.integers(1, 500), st.integers(1, 100), st.integers(1, 200))
def test_lattice_covers_and_has_none_too_many(size, patch, stride):
    """The patches reach the last px, with gaps too, and without the last patch would not."""
    n = count_patches(size, patch_px=patch, stride_px=stride)
    assert (n - 1) * stride + patch >= size
    assert n == 1 or (n - 2) * stride + patch < size


@settings(max_examples=60)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    window=st.floats(0.5, 12),
    stride=st.floats(0.5, 12),
    seed=st.integers(0, 99),
)
def test_window_fractions_against_a_loop(height, width, window, stride, seed):
    """Any window, of fractions of px too, has the share that adding px by px gives."""
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    n_rows, n_columns = (count_patches(n, patch_px=window, stride_px=stride) for n in mask.shape)
    lattice = {"window_px": window, "stride_px": stride, "n_columns": n_columns}
    known = (rows_of(mask), mask.shape, 1.0)
    lattice_rows = [measure_windows(known, row=row, **lattice) for row in range(n_rows)]

    def shares(n_windows: int, size: int) -> np.ndarray:
        start = np.arange(n_windows)[:, None] * stride
        pixel = np.arange(size)
        common = np.minimum(pixel + 1, start + window) - np.maximum(pixel, start)
        return common.clip(0)

    rows, columns = shares(n_rows, height), shares(n_columns, width)
    expected = rows @ mask @ columns.T / window**2
    np.testing.assert_allclose(lattice_rows, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("rule", "share", "labels"),
    [
        ("fraction", [0, 0.2999, 0.3, 1, np.nan], [0, 0, 1, 1, -1]),
        ("fraction", [0.1 + 0.2 - 1e-16, 1 - 0.7], [1, 1]),  # 3 of 10 px, but for rounding
        ("any", [0, 1 / 8192**2, np.nan], [0, 1, -1]),  # one px of a patch of 8192 px
    ],
)
def test_labels_by_share(rule, share, labels):
    """30 % is tumour, or one px is, less is not, and NaN is unknown."""
    found = label_patches(np.array(share), rule=rule, min_tumour_fraction=0.3)
    np.testing.assert_array_equal(found, labels)
    assert found.dtype == np.int8


def test_patches_with_any_tissue_are_kept():
    """One mask px of tissue keeps exactly the patches that hold some of it, and their share."""
    tissue = empty()
    tissue[9, 12] = True  # level 0: rows 72-80, columns 96-104
    found = grid(on_slide(tissue))
    # A patch is 64 level-0 px, one every 32: rows 1 and 2 (32-96, 64-128), columns 2 and 3.
    assert list(zip(found.row, found.column, strict=True)) == [(1, 2), (1, 3), (2, 2), (2, 3)]
    np.testing.assert_allclose(found.tissue_fraction, 8 * 8 / 64**2)
    np.testing.assert_array_equal(found.x_px, [64, 96, 64, 96])
    np.testing.assert_array_equal(found.y_px, [32, 32, 64, 64])


def test_a_patch_over_the_edge_counts_what_lies_outside_as_no_tissue():
    """On a slide of 256 x 200 px all of tissue, the last row has (200 - 160) / 64 of it."""
    found = grid(on_slide(np.ones((25, 32), bool)), size_px=(256, 200))
    assert len(found) == 7 * 6
    by_row = found.tissue_fraction.reshape(6, 7)
    np.testing.assert_allclose(by_row[:5], 1)
    np.testing.assert_allclose(by_row[5], 40 / 64)


def test_labels_follow_the_truth():
    """Shares of viable tumour in the truth map give the labels; without it both are unknown."""
    truth = empty()
    truth[:8, :4] = True  # level 0: 64 x 32 px
    found = grid(FULL, truth=on_slide(truth))
    first = {(r, c): i for i, (r, c) in enumerate(zip(found.row, found.column, strict=True))}
    assert found.tumour_fraction[first[0, 0]] == pytest.approx(0.5)
    assert found.tumour_fraction[first[1, 0]] == pytest.approx(0.25)
    assert found.tumour_fraction[first[0, 1]] == 0
    assert found.label[first[0, 0]] == 1
    assert found.label.sum() == 1
    assert grid(FULL, truth=on_slide(truth), label_rule="any").label.sum() == 2
    unknown = grid(FULL)
    assert np.isnan(unknown.tumour_fraction).all()
    assert (unknown.label == -1).all()


def test_masks_are_read_from_the_top_down_and_truth_only_where_tissue_is():
    """No row of the lattice is read twice, and the truth only where patches are."""
    tissue, asked = empty(), {"tissue": [], "truth": []}
    tissue[10, 3] = True  # level 0: rows 80-88, in the lattice's rows 1 (32-96) and 2 (64-128)

    def noted(name: str) -> Mask:
        def rows(first: int, n: int) -> np.ndarray:
            asked[name].append((first, n))
            return tissue[first : first + n]

        return rows, tissue.shape, 8.0

    grid(noted("tissue"), truth=noted("truth"))
    assert asked["tissue"] == [(first, 8) for first in (0, 4, 8, 12, 16)]
    assert asked["truth"] == [(4, 8), (8, 8)]


def test_no_tissue_no_grid():
    """A slide without a patch says so."""
    with pytest.raises(InputError, match=r"^slide a: no patch of 1um_32px_every16px holds tissue$"):
        grid(on_slide(empty()))


def test_saved_grid_is_read_back(tmp_path):
    """Every field comes back with its type; the same grid gives the same bytes."""
    truth = empty()
    truth[3:9] = True
    saved = grid(FULL, truth=on_slide(truth))
    saved.save(tmp_path / "a.npz")
    saved.save(tmp_path / "b.npz")
    loaded = Grid.load(tmp_path / "a.npz")
    for one, other in zip(vars(saved).values(), vars(loaded).values(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert type(one) is type(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_subset():
    """A subset by mask or by index has those patches, the rest unchanged."""
    whole = grid(FULL)
    by_mask = whole.subset(np.arange(len(whole)) % 2 == 1)
    by_index = whole.subset(np.arange(1, len(whole), 2))
    assert len(by_mask) == len(whole) // 2
    np.testing.assert_array_equal(by_mask.x_px, whole.x_px[1::2])
    np.testing.assert_array_equal(by_index.y_px, by_mask.y_px)
    assert (by_mask.patch_px, by_mask.scale) == (32, 2.0)


@given(st.floats(0.05, 100), st.integers(16, 8192), st.integers(1, 9999))
def test_a_name_gives_its_grid_back(spacing_um, patch_px, stride_px):
    """Every grid that the config allows is the one its name stands for."""
    spec = GridSpec(spacing_um, patch_px, stride_px)
    back = GridSpec.from_name(spec.name)
    assert (back.patch_px, back.stride_px) == (patch_px, stride_px)
    assert back.spacing_um == pytest.approx(spacing_um, rel=1e-5)
    assert GridSpec.from_name(back.name) == back


@pytest.mark.parametrize(
    ("further_um", "name"),
    [([], "g"), ([1.0], "g_with_1um"), ([1.0, 2.25], "g_with_1um_2.25um")],
)
def test_names_of_patch_sets(further_um, name):
    """The name of a folder of patches says its further spacings, and is read back."""
    assert name_patch_set("g", further_um) == name
    assert split_patch_set(name) == ("g", further_um)
