"""Steps of pN staging from files: features and lesions on tissue alone."""

import numpy as np
import pytest

from microtome.challenges.camelyon16_lesions import find_slide_lesions
from microtome.heatmaps.aligned import read_heatmap
from microtome.io.atomic import read_json, write_json
from microtome.rasters.label_tiff import write_array
from microtome.staging.feature_step import node_features
from microtome.staging.feature_table import COLUMNS, FEATURES, feature_rows

SIZE = {"threshold": 0.5, "merge_um": 75}


@pytest.fixture
def files(tmp_path):
    """A heatmap with tumour on tissue and on glass, 8 µm/px, and a tissue mask of 16 µm/px."""
    heatmap = np.full((40, 60), 1, np.uint8)
    heatmap[10:14, 25:30] = 255
    heatmap[10:14, 33:38] = 255  # 24 µm on
    heatmap[30, 2:38] = 60  # a probability of 0.23
    heatmap[10:14, 45:55] = 255
    tissue = np.zeros((20, 30), np.uint8)
    tissue[:, :20] = 1
    write_array(tmp_path / "heatmap.tif", heatmap, spacing_um=8.0)
    write_array(tmp_path / "tissue.tif", tissue, spacing_um=16.0)
    slide = {"spacing_um": 0.5, "width_px": 955, "height_px": 640}
    write_json(tmp_path / "slide.json", slide)
    return tmp_path


def test_what_is_said_of_glass_does_not_count(files):
    """One block lies beside the tissue; 400 px of 256 µm² are 0.1024 mm²."""
    encoded, spacing_um, tissue_mm2 = read_heatmap(files / "heatmap.tif", files / "tissue.tif")
    assert np.count_nonzero(encoded == 255) == 40
    assert np.count_nonzero(encoded[:, 40:]) == 0
    assert (spacing_um, tissue_mm2) == (8.0, pytest.approx(0.1024))


def test_features_and_largest_lesion_of_a_node(files):
    """Two blocks of 4 x 5 px, one lesion: area, share of the tissue, the whole length."""
    found = node_features(files / "heatmap.tif", tissue=files / "tissue.tif", **SIZE)
    assert list(found) == ["largest_lesion_um", *FEATURES]
    assert found["regions_90"] == 2
    assert found["largest_area_um2_50"] == 20 * 64
    assert found["tumour_tissue_ratio_90"] == pytest.approx(40 * 64 / 102400)
    assert 104 <= found["largest_lesion_um"] <= np.hypot(104, 32)
    for other, length_um in (({"threshold": 0.2}, 288), ({"merge_um": 0}, 40)):
        given = {"tissue": files / "tissue.tif", **SIZE, **other}
        found = node_features(files / "heatmap.tif", **given)
        assert length_um <= found["largest_lesion_um"] <= np.hypot(length_um, 32)


def test_the_table_has_what_the_sheet_says(files):
    """A row a node, in the order given."""
    found = node_features(files / "heatmap.tif", tissue=files / "tissue.tif", **SIZE)
    write_json(files / "a.json", found)
    rows = {"a": {"patient": "p", "node": "1", "split": "", "label": "itc"}}
    (row,) = feature_rows(["a"], [files / "a.json"], rows)
    assert set(row) == set(COLUMNS)
    assert (row["slide"], row["label"], row["regions_90"]) == ("a", "itc", 2)


def test_lesions_lie_on_tissue_and_on_the_slide(files):
    """A plateau each, at its middle in level-0 px; nothing beyond the slide's edge."""
    given = {"inspected": files / "slide.json", "threshold": 0.5, "min_distance_um": 0}
    found = find_slide_lesions(files / "heatmap.tif", tissue=files / "tissue.tif", **given)
    assert found["confidence"].tolist() == [1, 1]
    for x_px, left in zip(found["x_px"], (25, 33), strict=True):
        assert left * 16 <= x_px < (left + 5) * 16
    assert (found["y_px"] // 16 >= 10).all()
    assert (found["y_px"] // 16 < 14).all()
    tissue = np.ones((20, 30), np.uint8)
    write_array(files / "all.tif", tissue, spacing_um=16.0)
    slide = read_json(files / "slide.json")
    write_json(files / "slide.json", slide | {"width_px": 760})
    every = find_slide_lesions(files / "heatmap.tif", tissue=files / "all.tif", **given)
    assert len(every) == 3
    assert every["x_px"].max() == 759
