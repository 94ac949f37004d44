"""What uncertainty maps come to, and the interval of the burden."""

import numpy as np
import pytest

from microtome.io.atomic import write_json
from microtome.rasters.bands import rows_of
from microtome.rasters.label_tiff import open_raster, write_array, write_raster
from microtome.uncertainty.summary import burden_interval, summarize, uncertainty_summary


def test_summary_by_hand():
    """Means over scored tissue and over the whole tumour; glass and NaN do not count."""
    variance = np.array([[0.01, 0.03, 0.2], [np.nan, 0.05, 0.2]])
    tissue = np.array([[1, 1, 0], [1, 1, 0]])
    labels = np.array([[0, 1, 2], [2, 2, 0]])
    found = uncertainty_summary(rows_of(variance), rows_of(tissue), rows_of(labels), (2, 3))
    assert found["tissue_mean"] == pytest.approx(0.03)
    assert found["tumour_mean"] == pytest.approx(0.04)
    assert found["tissue_95"] == pytest.approx(0.05, abs=1e-4)


def test_percentile_against_numpy():
    """The 95th percentile is numpy's, to a step of the histogram."""
    variance = np.random.default_rng(0).beta(0.5, 8, (300, 400)) / 4
    ones = np.ones(variance.shape)
    found = uncertainty_summary(rows_of(variance), rows_of(ones), rows_of(ones), variance.shape)
    assert np.sqrt(found["tissue_95"]) == pytest.approx(
        np.sqrt(np.quantile(variance, 0.95)), abs=0.5 / 4095 + 1e-4
    )


def test_nothing_to_summarize():
    """No tissue, no tumour: no figure."""
    zeros = rows_of(np.zeros((2, 2)))
    assert set(uncertainty_summary(zeros, zeros, zeros, (2, 2)).values()) == {None}


@pytest.mark.parametrize(
    ("burden", "members", "expected"),
    [(0.5, [0.1, 0.9], (0.0, 1.0)), (0.3, [0.3, 0.3, 0.3], (0.3, 0.3))],
)
def test_interval_stays_a_share(burden, members, expected):
    """A burden is neither below 0 nor above 1; members that agree leave no room."""
    found = burden_interval(burden, members)
    assert (found["burden_low"], found["burden_high"]) == expected


def test_interval_covers_one_more_draw():
    """Of members and truth from one normal distribution, the truth is inside 95 times in 100."""
    rng = np.random.default_rng(0)
    draws = rng.normal(0.5, 0.02, (4000, 4))
    inside = [
        (found := burden_interval(float(np.mean(members)), members))["burden_low"]
        <= truth
        <= found["burden_high"]
        for truth, *members in draws.tolist()
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)


def test_float_rasters_come_back(tmp_path):
    """A variance map is float32 on disk, NaN and all."""
    variance = np.random.default_rng(0).random((700, 900)).astype(np.float32)
    variance[5:600, 20:30] = np.nan
    options = {"shape": variance.shape, "spacing_um": 8.0, "dtype": np.float32}
    write_raster(tmp_path / "v.tif", rows_of(variance), **options)
    found = open_raster(tmp_path / "v.tif").rows(0, 700)
    np.testing.assert_array_equal(found, variance)
    assert found.dtype == np.float32


def test_summary_of_files(tmp_path):
    """A row of the table, the tissue at a spacing of its own."""
    paths = {name: tmp_path / f"{name}.tif" for name in ("tissue", "tumour", "epistemic")}
    write_array(paths["tissue"], np.kron([[1, 0]], np.ones((4, 4))), spacing_um=8.0)
    write_array(paths["tumour"], np.array([[2, 0, 1, 1]] * 2), spacing_um=16.0)
    variance = np.array([[0.04, 0.02, 0.25, 0.25]] * 2, np.float32)
    write_raster(
        paths["epistemic"], rows_of(variance), shape=(2, 4), spacing_um=16.0, dtype=np.float32
    )
    burdens = [tmp_path / f"{i}.json" for i in range(3)]
    for path, value in zip(burdens, (0.5, 0.4, 0.7), strict=True):
        write_json(path, {"burden": value})
    maps = {"epistemic": paths["epistemic"]}
    settings = {"maps": maps, "tissue": paths["tissue"], "tumour": paths["tumour"]}
    found = summarize("s", burden=burdens[0], of_members=burdens[1:], **settings)
    assert (found["burden_low"], found["burden_high"]) == (0.0, 1.0)  # 0.4 and 0.7 say nothing
    assert found["epistemic_tissue_mean"] == pytest.approx(0.03)
    assert found["epistemic_tumour_mean"] == pytest.approx(0.04)
    alone = summarize("s", burden=burdens[0], of_members=[], **settings)
    assert list(alone)[:2] == ["slide", "epistemic_tissue_mean"]
