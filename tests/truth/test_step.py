"""The truth map of a slide, from its row of the sheet to the file."""

import numpy as np
import pytest
import tifffile

from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.rasters.label_tiff import open_raster
from microtome.rasters.labels import NONE, VIABLE, WHOLE
from microtome.truth.step import write_truth


def truth_of(folder, row: dict, *, slide_um: float = 0.5, map_um: float = 1.0):
    """Write the truth of a slide of 8 x 4 px; give what the step found and the map."""
    write_json(
        folder / "a.json",
        {"width_px": 8, "height_px": 4, "spacing_um": slide_um, "bounds_px": None},
    )
    slide = {"spacing_tolerance": 0.02, "upsample": False}
    files = {"inspected": folder / "a.json", "truth": folder / "t.tif", "slide_settings": slide}
    found = write_truth(name="a", row=row, spacing_um=map_um, classes={}, **files)
    return found, open_raster(folder / "t.tif")


@pytest.fixture
def masks(tmp_path):
    """Write masks of both tumours: the left half whole, its upper half viable."""
    whole = np.zeros((4, 8), np.uint8)
    whole[:, :4] = 1
    viable = whole.copy()
    viable[2:] = 0
    for name, mask in (("viable", viable), ("whole", whole)):
        tifffile.imwrite(tmp_path / f"{name}.tif", mask)
    return {f"{name}_mask": str(tmp_path / f"{name}.tif") for name in ("viable", "whole")}


def test_masks_become_labels_at_the_spacing_of_the_map(tmp_path, masks):
    """Four level-0 px are one of the map; the burden is viable over whole."""
    found, truth = truth_of(tmp_path, masks)
    assert (truth.shape, truth.spacing_um, found) == ((2, 4), 1.0, {"burden": 0.5, "notes": []})
    expected = [[VIABLE, VIABLE, NONE, NONE], [WHOLE, WHOLE, NONE, NONE]]
    np.testing.assert_array_equal(truth.rows(0, 2), expected)


def test_a_coarse_slide_has_its_own_spacing(tmp_path, masks):
    """A map of a finer spacing than the slide's would hold px that nobody outlined."""
    _, truth = truth_of(tmp_path, masks, slide_um=2.0)
    assert (truth.shape, truth.spacing_um) == ((4, 8), 2.0)


def test_another_burden_in_the_sheet_is_a_note(tmp_path, masks):
    """The truth's counts; the note has both."""
    found, _ = truth_of(tmp_path, {**masks, "burden": 0.9})
    assert found["burden"] == 0.5
    assert found["notes"] == ["slide a: the given burden is 0.900, that of the truth 0.500"]


def test_a_negative_slide_needs_no_annotation(tmp_path):
    """Its map is empty, its burden 0."""
    found, truth = truth_of(tmp_path, {"label": "negative"})
    assert found == {"burden": 0.0, "notes": []}
    assert not truth.rows(0, 2).any()


def test_label_and_burden_of_the_sheet_are_compared_with_the_truth(tmp_path, masks):
    """A label that contradicts the truth is refused; a burden of a negative slide is told."""
    with pytest.raises(InputError, match="slide a: its label is negative, but its truth holds"):
        truth_of(tmp_path, {**masks, "label": "negative"})
    assert truth_of(tmp_path, {**masks, "label": "macro"})[0]["notes"] == []
    found, _ = truth_of(tmp_path, {"label": "negative", "burden": 0.4})
    assert found["notes"] == ["slide a: the given burden is 0.400, that of the truth 0.000"]


def test_a_slide_without_truth_is_not_taken_for_a_negative_one(tmp_path):
    """Only the label says so."""
    with pytest.raises(InputError, match="nothing tells where viable tumour is"):
        truth_of(tmp_path, {"label": "macro"})


def test_outlines_drawn_at_another_spacing_are_told(tmp_path):
    """What ImageScope says of the slide it drew on is compared with this one's spacing."""
    path = tmp_path / "a.xml"
    path.write_text('<Annotations MicronsPerPixel="0.25"/>')
    found, _ = truth_of(tmp_path, {"annotation": str(path)})
    assert any("slide of 0.25 µm/px, this one has 0.5" in note for note in found["notes"])
