"""The scripts that draw the demo cohort: options in, files out, the same each time."""

import numpy as np
import openslide
import pytest
import tifffile

from helpers.job_scripts import digests_in_new_process, run_job
from microtome.demo.nodes import SIZES_PX, draw_node
from microtome.io.tables import read_table
from microtome.truth.annotations import read_annotation

OUTPUTS = ("svs", "paip_xml", "asap_xml", "viable_mask", "whole_mask", "nuclei")
DEMO = {"seed": 1, "width_px": 1100, "height_px": 1000, "spacing_um": 0.5, "quality": 85}
DEMO |= {"artefacts": {"inked": "pen", "n": "padding"}, "normal": ["n"]}


@pytest.fixture(autouse=True)
def _unlogged(monkeypatch):
    """Leave this process's log as it is."""
    monkeypatch.setattr("microtome.logs.start_log", lambda path: None)


@pytest.mark.parametrize(
    ("script", "names", "slide"),
    [
        ("demo/make_demo_cohort.py", OUTPUTS, "inked"),
        ("demo/make_demo_node.py", ("svs", "asap_xml", "nuclei"), "node"),
    ],
)
def test_another_process_writes_the_same_bytes(tmp_path, script, names, slide):
    """Nothing depends on time, on Python's hash seed or on what was drawn before."""
    parts = {"params": {"demo": DEMO, "row": {"label": "itc"}}, "wildcards": {"slide": slide}}
    first, second = (
        digests_in_new_process(script, tmp_path / f"{n}", names, hash_seed=n, **parts)
        for n in (1, 2)
    )
    assert first == second
    assert set(first) == set(names)


def test_a_slide_has_its_options(tmp_path):
    """A normal, padded slide comes out normal and padded, and its files agree."""
    output = {name: tmp_path / name for name in OUTPUTS}
    parts = {"params": {"demo": DEMO}, "wildcards": {"slide": "n"}}
    run_job("demo/make_demo_cohort.py", log="", output=output, **parts)
    assert not tifffile.imread(output["viable_mask"]).any()
    assert tifffile.imread(output["whole_mask"]).shape == (1000, 1100)
    assert (tifffile.imread(output["svs"])[-1] == 0).all()
    assert "Vertex" not in output["paip_xml"].read_text()
    assert "Coordinate" not in output["asap_xml"].read_text()


def test_a_node_has_what_its_label_says(tmp_path):
    """The annotation reads back as the outlines of that."""
    names = {"svs": "a.svs", "asap_xml": "a.xml", "nuclei": "a.csv"}
    output = {name: tmp_path / file for name, file in names.items()}
    params = {"demo": DEMO | {"quality": 60}, "row": {"label": "itc"}}
    wildcards = {"slide": "patient_101_node_2"}
    run_job("demo/make_demo_node.py", log="", output=output, params=params, wildcards=wildcards)
    drawn = draw_node("patient_101_node_2", seed=1, category="itc")
    with openslide.OpenSlide(output["svs"]) as slide:
        assert slide.dimensions == SIZES_PX["itc"]
        assert float(slide.properties["openslide.mpp-x"]) == 0.5
        assert "Q=60" in slide.properties["tiff.ImageDescription"]
        shown = np.asarray(slide.read_region((1000, 800), 0, (256, 256)))[..., :3].astype(int)
    assert np.abs(shown - drawn.pixels[800:1056, 1000:1256]).mean() < 12
    regions, notes = read_annotation(output["asap_xml"], classes={"viable": ["metastases"]})
    assert notes == []
    for region, ring in zip(regions, drawn.outlines.viable, strict=True):
        np.testing.assert_array_equal(region.rings[0], ring)
    rows = read_table(output["nuclei"])
    written = {(float(row["x_px"]), float(row["y_px"]), row["class"]) for row in rows}
    centres, kinds = drawn.nuclei.centres_px.tolist(), drawn.nuclei.kinds.tolist()
    assert written == {(x, y, kind) for (x, y), kind in zip(centres, kinds, strict=True)}
    assert len(rows) == len(kinds) > 5000
