"""What px of evaluated slides say of probabilities and uncertainty."""

import numpy as np
import pytest

from microtome.calibration.pixel_counts import (
    calibration_rows,
    codes_by_model,
    count_pixels,
    error_detection_rows,
    save_counts,
)
from microtome.calibration.ranking import rank_pixels
from microtome.calibration.tables import intervals_of, read_counts
from microtome.heatmaps.codes import encode
from microtome.io.tables import write_table
from microtome.rasters.bands import rows_of
from microtome.rasters.label_tiff import write_array, write_raster

SHAPE = (6, 8)


@pytest.fixture
def slide(tmp_path):
    """Write the rasters of a slide: tissue on the left 6 columns, tumour in the upper half."""
    rng = np.random.default_rng(0)
    probability = rng.integers(0, 255, SHAPE) / 254
    probability[2, 1] = np.nan
    row, column = np.indices(SHAPE)
    tissue, truth = column < 6, np.where(row < 3, 2, 1)
    variance = (rng.random(SHAPE) / 4).astype(np.float32)
    paths = {name: tmp_path / f"{name}.tif" for name in ("heatmap", "tissue", "truth", "epistemic")}
    write_array(paths["heatmap"], encode(probability), spacing_um=8.0)
    write_array(paths["tissue"], tissue, spacing_um=8.0)
    # The truth is finer: four px where the others have one.
    write_array(paths["truth"], np.kron(truth, np.ones((2, 2))), spacing_um=4.0)
    write_raster(
        paths["epistemic"], rows_of(variance), shape=SHAPE, spacing_um=8.0, dtype=np.float32
    )
    return paths, probability, variance


def counted(paths: dict, *, threshold: float) -> dict[str, np.ndarray]:
    """Count the slide's px."""
    return count_pixels(
        **{name: paths[name] for name in ("heatmap", "tissue", "truth")},
        uncertainty={"epistemic": paths["epistemic"]},
        threshold=threshold,
    )


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_counts_by_hand(slide, threshold):
    """Scored tissue px are counted by probability and truth, and wrong where they part."""
    paths, probability, variance = slide
    counts = counted(paths, threshold=threshold)
    known = ~np.isnan(probability)
    known[:, 6:] = False  # glass
    truth = (np.arange(6) < 3)[:, None].repeat(8, 1)
    codes = np.zeros((255, 2), int)
    np.add.at(codes, (np.rint(probability[known] * 254).astype(int), truth[known] * 1), 1)
    np.testing.assert_array_equal(counts["codes"], codes)
    wrong = (np.nan_to_num(probability) >= threshold) != truth
    of_errors = [(~wrong & known).sum(), (wrong & known).sum()]
    assert counts["epistemic"].sum(axis=0).tolist() == of_errors
    rows = error_detection_rows([("m", "a", counts)], {})
    pairs = variance[wrong & known][:, None] > variance[~wrong & known]
    assert rows[0]["auroc_epistemic"] == pytest.approx(pairs.mean(), abs=2e-3)
    assert rows[0]["auroc_aleatoric"] is None


def test_slides_of_a_model_are_added(tmp_path):
    """A model's row is of all its slides' px; uncertain px of one slide are not another's."""
    sure = np.zeros((255, 2), int)
    sure[254, 1], sure[0, 0] = 30, 10  # always right, and sure of it
    half = np.zeros((255, 2), int)
    half[127, 0] = 40  # 0.5, and never tumour
    for name, codes in (("a", sure), ("b", half)):
        save_counts(tmp_path / f"{name}.npz", {"codes": codes})
    which = [{"model": m, "slide": s} for m, s in (("m", "a"), ("m", "b"), ("n", "a"))]
    found = read_counts(which, [tmp_path / f"{w['slide']}.npz" for w in which])
    codes = codes_by_model((m, c) for m, _, c in found)
    rows = calibration_rows(codes, {model: rank_pixels(counts) for model, counts in codes.items()})
    assert [row["model"] for row in rows] == ["m", "n"]
    assert rows[0]["px"] == 80
    assert rows[0]["tumour_share"] == pytest.approx(30 / 80)
    assert rows[0]["expected_calibration_error"] == pytest.approx(40 / 80 * 0.5)
    assert rows[0]["brier"] == pytest.approx(40 / 80 * 0.25)
    assert rows[1]["expected_calibration_error"] == 0


def test_intervals_and_their_cover(tmp_path):
    """An interval covers the truth or does not; where the truth is not known nobody can tell."""
    which = [{"model": m, "slide": s} for m in ("e", "m") for s in ("a", "b", "c")]
    bounds = {"burden": 0.5, "burden_low": 0.4, "burden_high": 0.6}
    write_table(tmp_path / "e.tsv", [{"slide": s, **bounds} for s in ("a", "b", "c", "d")])
    truths = {"a": 0.6, "b": 0.61, "c": None}
    evaluations = [tmp_path / "e.csv", tmp_path / "m.csv"]
    for path in evaluations:
        write_table(path, [{"slide": s, "true_burden": truth} for s, truth in truths.items()])
    intervals = intervals_of(which, tables={"e": tmp_path / "e.tsv"}, evaluations=evaluations)
    assert set(intervals) == {("e", "a"), ("e", "b"), ("e", "c")}
    codes = {"codes": np.zeros((255, 2), int)}
    rows = error_detection_rows([(w["model"], w["slide"], codes) for w in which], intervals)
    covered = {(row["model"], row["slide"]): row["covered"] for row in rows}
    of_ensemble = {"a": 1, "b": 0, "c": None, "all": "1 of 2"}
    assert covered == {
        **{("e", slide): value for slide, value in of_ensemble.items()},
        **{("m", slide): None for slide in of_ensemble},
    }
