"""The tissue step from a slide to its mask, and what the table of slides then says of it."""

import numpy as np
import pytest
import tifffile

from helpers.drawn.overviews import OVERVIEWS, SETTINGS
from helpers.training_runs import inspected_slide
from microtome.cohort.exclusion import run_stage
from microtome.cohort.table import list_slides
from microtome.errors import InputError
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


@pytest.mark.parametrize(
    ("background", "shown", "words"),
    [
        ((0, 0, 8), (10, 20, 160), "of it is dark: fluorescence or an unscanned slide, not H&E"),
        ((245, 245, 245), (90, 90, 90), "its red, green and blue are equal"),
    ],
)
def test_a_slide_without_brightfield_colours_gets_no_further(tmp_path, background, shown, words):
    """Neither networks nor the search for nuclei see it: they need the mask, which is not made."""
    pixels = np.full((400, 400, 3), background, np.uint8)
    pixels[100:300, 100:300] = shown
    path, report = tmp_path / "a.svs", tmp_path / "a.json"
    write_json(report, inspected_slide(path, pixels, spacing_um=2.0))
    with pytest.raises(InputError, match=f"^slide a: .*{words}") as caught:
        make_tissue(
            name="a",
            slide_path=path,
            inspected=report,
            mask=tmp_path / "mask.tif",
            overview=tmp_path / "a.jpg",
            slide_settings={"spacing_tolerance": 0.02, "upsample": False},
            tissue_settings=SETTINGS,
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mask.tif").exists()
