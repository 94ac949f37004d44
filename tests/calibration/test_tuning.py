"""Temperature and threshold from validation slides."""

import numpy as np
import pytest
from scipy.special import expit, logit

from helpers.pictures import grid_of
from microtome.calibration.chosen_threshold import set_chosen_threshold
from microtome.calibration.tuning import tune
from microtome.errors import InputError
from microtome.heatmaps.step import stitch_heatmap
from microtome.inference.score_store import write_scores
from microtome.io.atomic import write_json
from microtome.rasters.label_tiff import read_raster, write_array

SIDE = 40
STITCHING = {
    "member": None,
    "spacing_um": 8.0,
    "slide_settings": {"spacing_tolerance": 0.02, "upsample": False},
    "blending": "mean",
}


def write_slide(folder, name: str, probability: np.ndarray, truth: np.ndarray) -> dict:
    """Write the files of a slide whose patches are the px of its heatmap."""
    grid = grid_of([(r, c) for r in range(SIDE) for c in range(SIDE)], patch_px=16)
    files = {part: folder / f"{name}_{part}" for part in ("scores", "inspected", "tissue", "truth")}
    maps = {"probability": probability.astype(np.float32).reshape(-1, 1, 1)}
    write_scores(files["scores"], [(np.arange(SIDE**2), maps)], grid, origin={})
    size = {"width_px": 16 * SIDE, "height_px": 16 * SIDE, "spacing_um": 0.5}
    write_json(files["inspected"], size)
    write_array(files["tissue"], np.ones((SIDE, SIDE)), spacing_um=8.0)
    write_array(files["truth"], 2 * truth, spacing_um=8.0)
    return {"name": name, **files}


def drawn(seed: int, *, times: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw truth by probabilities, and probabilities whose logits are so many times too large."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.05, 0.95, (SIDE, SIDE))
    return expit(times * logit(true)), (rng.random((SIDE, SIDE)) < true).astype(int)


def tuned(slides: list[dict], *, is_calibrated: bool = False) -> dict:
    """What validation slides decide."""
    return tune("m", slides, is_calibrated=is_calibrated, **STITCHING)


def stitched(slide: dict, folder, **files) -> tuple[np.ndarray, float]:
    """The heatmap of a slide as floats, and its spacing."""
    files = {"inspected": slide["inspected"], "tissue": slide["tissue"], **files}
    stitch_heatmap(folder / "h.tif", slide["scores"], name=slide["name"], **files, **STITCHING)
    encoded, spacing_um = read_raster(folder / "h.tif")
    return encoded.astype(float), spacing_um


def test_temperature_of_a_network_that_is_too_sure(tmp_path):
    """Logits twice too large get a temperature of about 2, and calibration gets better by it."""
    slides = [write_slide(tmp_path, f"s{i}", *drawn(i, times=2.0)) for i in range(3)]
    found = tuned(slides, is_calibrated=True)
    assert found["temperature"] == pytest.approx(2.0, rel=0.1)
    after, before = found["expected_calibration_error_after"], found["expected_calibration_error"]
    assert after < before / 2
    assert (found["slides"], found["px"]) == (["s0", "s1", "s2"], 3 * SIDE**2)
    # The heatmap of a model with a temperature holds the calibrated probabilities.
    write_json(tmp_path / "c.json", found)
    slide = slides[0]
    calibrated, spacing_um = stitched(slide, tmp_path, calibration=tmp_path / "c.json")
    expected = expit(logit(drawn(0, times=2.0)[0]) / found["temperature"])
    # What is just below .5 is not rounded up to it, so there a code stands for twice as much.
    bound = np.where((expected > 126 / 254) & (expected < 0.5), 1 / 254 + 1e-6, 1 / 500)
    assert (np.abs((calibrated - 1) / 254 - expected) <= bound).all()
    assert spacing_um == 8.0


def test_threshold_that_separates(tmp_path):
    """Tumour from .3 on and the rest below: the threshold lies between, for Dice of 1."""
    truth = np.indices((SIDE, SIDE))[1] < 15
    slide = write_slide(tmp_path, "s", np.where(truth, 0.35, 0.25), truth)
    found = tuned([slide])
    assert 0.25 < found["threshold"] < 0.35
    assert found["temperature"] is None
    write_json(tmp_path / "c.json", found)
    settings = {"threshold": "validation", "opening_um": 32}
    chosen = {**settings, "threshold": found["threshold"]}
    assert set_chosen_threshold(settings, tmp_path / "c.json") == chosen


def test_glass_does_not_count(tmp_path):
    """Only px of tissue choose: of those beside it nothing is known."""
    slide = write_slide(tmp_path, "s", *drawn(0, times=1.0))
    write_array(slide["tissue"], np.indices((SIDE, SIDE))[1] < 10, spacing_um=8.0)
    assert tuned([slide])["px"] == 10 * SIDE


@pytest.mark.parametrize(("value", "tumour", "other"), [(0, 0, 1600), (1, 1600, 0), (None, 0, 0)])
def test_both_classes_are_needed(tmp_path, value, tumour, other):
    """Validation slides of one class say nothing of a threshold; nor do none."""
    slides = []
    if value is not None:
        truth = np.full((SIDE, SIDE), value)
        slides = [write_slide(tmp_path, "s", truth * 0.5, truth)]
    with pytest.raises(InputError, match=f"hold {tumour} px of tumour and {other} of other tissue"):
        tuned(slides)


def test_tissue_that_no_patch_covers_is_a_fault(tmp_path):
    """Every px of tissue lies in a patch of the grid; a hole stops the program, with its place."""
    slide = write_slide(tmp_path, "s", *drawn(0, times=1.0))
    stitched(slide, tmp_path)
    places = [(r, c) for r in range(SIDE) for c in range(SIDE) if (r, c) != (7, 11)]
    maps = np.full((len(places), 1, 1), np.nan, np.float32)
    parts = [(np.arange(len(places)), {"probability": maps})]
    write_scores(tmp_path / "holed", parts, grid_of(places, patch_px=16), origin={})
    with pytest.raises(RuntimeError, match=r"slide s: no patch covers .* x=88 µm, y=56 µm"):
        stitched({**slide, "scores": tmp_path / "holed"}, tmp_path)
