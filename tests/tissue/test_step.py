"""The tissue step from a slide to its mask, and what the table of slides then says of it."""

import pytest
import tifffile

from helpers.drawn.overviews import OVERVIEWS, SETTINGS
from helpers.training_runs import inspected_slide
from microtome.cohort.exclusion import run_stage
from microtome.cohort.table import list_slides
from microtome.io.atomic import write_json
from microtome.tissue.step import make_tissue


@pytest.mark.parametrize(("variant", "fate"), [("absorbance", "left out"), ("otsu", "tissue to")])
def test_pen_is_a_note_in_the_table_of_slides(tmp_path, variant, fate):
    """The slide stays in; its note tells a person to look."""
    path, report, status = (tmp_path / name for name in ("a.svs", "a.json", "tissue.json"))
    drawn = OVERVIEWS["red pen on tissue"]()
    write_json(report, inspected_slide(path, drawn.pixels, spacing_um=8.0))
    run_stage(
        make_tissue,
        status=status,
        name="a",
        slide_path=path,
        inspected=report,
        mask=tmp_path / "mask.tif",
        overview=tmp_path / "a.jpg",
        slide_settings={"spacing_tolerance": 0.02, "upsample": False},
        tissue_settings={**SETTINGS, "variant": variant},
    )
    (row,) = list_slides({"a": {}}, {"a": [status]})
    assert row["state"] == "ok"
    assert row["notes"].startswith("felt pen on 1")
    assert f"% of the slide: {fate}" in row["notes"]
    mask = tifffile.imread(tmp_path / "mask.tif")
    assert row["tissue_mm2"] == pytest.approx(mask.sum() * 64e-6)
