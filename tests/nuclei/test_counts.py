"""Nuclei by region of a slide, by hand and against whole arrays."""

import numpy as np
import pytest

from microtome.errors import InputError
from microtome.nuclei.counts import count_nuclei
from microtome.rasters.label_tiff import write_array
from nuclei.random_nuclei import random_nuclei


@pytest.fixture
def files(tmp_path):
    """Write a tissue mask and a tumour map, each of its own spacing."""

    def write(tissue, tumour, *, tissue_um=8.0, tumour_um=8.0):
        write_array(tmp_path / "tissue.tif", np.array(tissue), spacing_um=tissue_um)
        found = {"tissue": tmp_path / "tissue.tif", "tumour": None}
        if tumour is not None:
            write_array(tmp_path / "tumour.tif", np.array(tumour), spacing_um=tumour_um)
            found["tumour"] = tmp_path / "tumour.tif"
        return found

    return write


def at(*places, classes=None):
    """One batch of nuclei at x, y in µm."""
    x, y = np.array(places, float).reshape(-1, 2).T
    return [{"x_um": x, "y_um": y} | ({"class": np.array(classes)} if classes else {})]


def by_region(rows, kind="all"):
    """Give number and area by region of one class."""
    return {row["region"]: (row["nuclei"], row["area_mm2"]) for row in rows if row["class"] == kind}


def test_regions_by_hand(files):
    """Px of 8 µm: four of tissue alone, two whole, one viable; tumour on glass is none."""
    paths = files([[1, 1, 1, 1], [1, 1, 1, 0]], [[0, 0, 1, 2], [0, 0, 1, 2]])
    rows = count_nuclei(at((1, 1), (2, 2), (17, 1), (25, 1), (25, 9), (23.9, 15.9)), **paths)
    px = 64e-6
    assert by_region(rows) == {
        "tissue": (5, pytest.approx(7 * px)),
        "viable_tumour": (1, pytest.approx(px)),
        "whole_tumour": (3, pytest.approx(3 * px)),
        "other_tissue": (2, pytest.approx(4 * px)),
    }
    densities = {row["region"]: row["nuclei_per_mm2"] for row in rows}
    assert densities["viable_tumour"] == pytest.approx(1 / px)
    assert densities["whole_tumour"] == pytest.approx(1 / px)


def test_without_a_tumour_map_tissue_is_all(files):
    """One region, and no guess about tumour."""
    rows = count_nuclei(at((1, 1), (9, 1)), **files([[1, 0]], None))
    assert rows == [
        {
            "region": "tissue",
            "class": "all",
            "nuclei": 1,
            "area_mm2": pytest.approx(64e-6),
            "nuclei_per_mm2": pytest.approx(1 / 64e-6),
        }
    ]


def test_a_region_without_area_has_no_density(files):
    """Not 0: nothing was looked at."""
    rows = count_nuclei(at((1, 1)), **files([[1, 1]], [[0, 0]]))
    assert [row["nuclei_per_mm2"] is None for row in rows] == [False, True, True, False]


def test_classes_are_counted_beside_all(files):
    """By name in alphabetical order, also where a region has none of them."""
    batches = at((1, 1), (1, 2), (9, 1), classes=["tumour", "lymphocyte", "tumour"])
    batches += at((2, 2), classes=["stroma"])
    rows = count_nuclei(batches, **files([[1, 1]], [[0, 2]]))
    names = ["all", "lymphocyte", "stroma", "tumour"]
    assert [row["class"] for row in rows] == names * 4
    assert [by_region(rows, name)["tissue"][0] for name in names] == [4, 1, 1, 2]
    assert [by_region(rows, name)["viable_tumour"][0] for name in names] == [1, 0, 0, 1]


def test_nuclei_of_no_class_count_among_all(files):
    """There is no row of them."""
    rows = count_nuclei(at((1, 1), (1, 2), classes=["", "tumour"]), **files([[1]], None))
    assert [(row["class"], row["nuclei"]) for row in rows] == [("all", 2), ("tumour", 1)]


def test_a_class_called_all_is_refused(files):
    """It could not be told from their sum."""
    with pytest.raises(InputError, match="a class of nuclei is called 'all'"):
        count_nuclei(at((1, 1), classes=["all"]), **files([[1]], None))


@pytest.mark.parametrize("tumour_um", [8.0, 16.0, 6.0])
def test_bands_give_what_whole_arrays_do(files, tumour_um):
    """On more rows than a band has, with a tumour map of another spacing."""
    rng = np.random.default_rng(1)
    tissue = rng.random((1200, 60)) < 0.7
    n = int(np.ceil(1200 * 8 / tumour_um)), int(np.ceil(60 * 8 / tumour_um))
    tumour = rng.integers(0, 3, n).astype(np.uint8)
    batches = list(random_nuclei(4000, size_um=(480, 9600)))
    found = by_region(count_nuclei(batches, **files(tissue, tumour, tumour_um=tumour_um)))
    row, column = (((np.arange(n) + 0.5) * 8 / tumour_um).astype(int) for n in tissue.shape)
    label = np.where(tissue, tumour[np.ix_(row, column)] + 1, 0)
    y, x = (np.concatenate([batch[key] for batch in batches]) for key in ("y_um", "x_um"))
    at_nuclei = label[(y / 8).astype(int), (x / 8).astype(int)]
    regions = {"tissue": 1, "whole_tumour": 2, "viable_tumour": 3}
    for region, least in regions.items():
        area_mm2 = (label >= least).sum() * 64e-6
        assert found[region] == ((at_nuclei >= least).sum(), pytest.approx(area_mm2))
    assert found["other_tissue"][0] == (at_nuclei == 1).sum()
