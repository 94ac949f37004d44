"""Nuclei of whole slides against their truth, by hand."""

import numpy as np
import pytest

from microtome.io.tables import write_table
from microtome.nucleus_scores.slide_scores import list_rates, score_slide
from microtome.rasters.label_tiff import write_array


@pytest.fixture
def score(tmp_path):
    """Score detections of a slide of 0.5 µm/px whose left 80 µm are tissue."""

    def run(found, truth):
        mask = np.zeros((20, 20), bool)
        mask[:, :10] = True
        write_array(tmp_path / "tissue.tif", mask, spacing_um=8)
        rows = [{"x_px": x, "y_px": y, "class": "normal"} for x, y in truth]
        write_table(tmp_path / "truth.csv", rows, columns=["x_px", "y_px", "class"])
        places = np.array(found, np.float32).reshape(-1, 3).T
        batches = [dict(zip(("x_um", "y_um", "confidence"), places, strict=True))]
        files = {"truth": tmp_path / "truth.csv", "tissue": tmp_path / "tissue.tif"}
        return score_slide(batches, name="a", spacing_um=0.5, match_um=3, **files)

    return run


def test_level_0_px_become_um(score):
    """A nucleus at 40, 60 px is at 20, 30 µm: 3 µm away is right, more is not, nor a second one."""
    found = [(20, 33, 0.9), (20, 30.5, 0.5), (60, 60, 1), (23.2, 30, 1)]
    counts = score(found, [(40, 60), (100, 100)])
    assert counts == {
        "slide": "a",
        "nuclei": 2,
        "found": 4,
        "right": 1,
        "tissue_mm2": pytest.approx(80 * 160e-6),
    }


@pytest.mark.parametrize(("distance_um", "n_right"), [(3.0, 1), (3.01, 0)])
def test_the_distance_is_that_of_the_config(score, distance_um, n_right):
    """At 3 µm, inclusive, a detection is right."""
    assert score([(20 + distance_um, 30, 1)], [(40, 60)])["right"] == n_right


def test_what_is_on_glass_counts_nowhere(score):
    """Neither nuclei nor detections, also where they would be right."""
    counts = score([(100, 50, 1), (10, 10, 1)], [(200, 100), (20, 20), (400, 20)])
    assert [counts[key] for key in ("nuclei", "found", "right")] == [1, 1, 1]


def test_a_slide_without_nuclei(score):
    """No rate is made up."""
    (row, _) = list_rates([score([], [])])
    assert [row[key] for key in ("precision", "recall", "f", "density_error")] == [None] * 4
    assert row["found_per_mm2"] == 0


def test_all_slides_are_pooled():
    """Counts and areas are added; rates are of the sums, not means of rates."""
    a = {"slide": "a", "nuclei": 10, "found": 10, "right": 10, "tissue_mm2": 1.0}
    b = {"slide": "b", "nuclei": 90, "found": 110, "right": 60, "tissue_mm2": 3.0}
    *_, both = list_rates([a, b])
    assert both["slide"] == "all"
    assert both["precision"] == 70 / 120
    assert both["recall"] == 70 / 100
    assert both["f"] == pytest.approx(140 / 220)
    assert (both["true_per_mm2"], both["found_per_mm2"]) == (25, 30)
    assert both["density_error"] == pytest.approx(0.2)
