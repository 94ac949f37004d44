"""Outlines of the nuclei of slides: discs of known area, whatever the windows and the spacing."""

import math

import numpy as np
import pytest
import shapely

from helpers.pictures import break_tile, noise, write_slide
from microtome.errors import InputError
from microtome.networks.registry import build_model
from microtome.nuclei.outlines import NucleusOutliner, outline_nuclei
from microtome.nuclei.table import write_nuclei
from microtome.slides.slide import Slide
from nuclei.plain_networks import DarkAround, DarkPx

SIDE = 400
# x, y and radius in px of 0.5 µm: apart, touching each other, at a seam of windows, at the edge.
DISCS = [
    (60, 60, 9),
    (140.3, 100.4, 10),
    (158.3, 100.4, 8),
    (256, 200, 10),
    (128, 256, 7),
    (392, 300, 12),
    (300, 380, 6),
]


def draw(discs, side: int = SIDE) -> np.ndarray:
    """Draw dark discs on pink."""
    y, x = np.mgrid[:side, :side] + 0.5
    dark = np.any([np.hypot(x - a, y - b) <= r for a, b, r in discs], axis=0)
    return np.where(dark[..., None], (60, 30, 110), (240, 200, 225)).astype(np.uint8)


def write_table(path, places, *, level_0_um: float = 0.5):
    """Write a table of nuclei at places x, y in level-0 px."""
    x, y = np.array(places, float).reshape(-1, 2).T
    numbered = {"confidence": np.arange(len(x)), "haematoxylin": np.zeros(len(x))}
    um = {"x_um": x * level_0_um, "y_um": y * level_0_um}
    write_nuclei(path, [{"x_px": x, "y_px": y, **um, **numbered}], about={"slide": "a"})
    return path


def outlined(slide_path, table, *, spacing_um=0.5, network=None, **settings) -> dict:
    """Outline all nuclei, and give the columns in the order of the table."""
    with Slide(slide_path, name="a") as slide:
        scale = slide.scale_for(spacing_um)
        outliner = NucleusOutliner(network or DarkPx(), spacing_um=slide.spacing_um * scale)
        parts = list(outline_nuclei(outliner, slide, table, scale=scale, **settings))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["confidence"])
    return {name: values[order] for name, values in joined.items()}


def polygons(found: dict) -> list[shapely.Polygon]:
    """Outlines as shapely has them."""
    return [shapely.Polygon(one.reshape(-1, 2)) for one in found["outline"]]


@pytest.fixture
def path(tmp_path):
    """Write a slide of the discs."""
    return write_slide(tmp_path / "a.svs", draw(DISCS))


@pytest.fixture
def table(tmp_path):
    """Write a table with the middle of each disc, and a place where there is none."""
    return write_table(tmp_path / "t.parquet", [*((x, y) for x, y, _ in DISCS), (30, 200)])


def test_discs_have_their_areas_and_lie_where_they_are(path, table):
    """Within 5 % in µm² and as polygons of level-0 px, two that touch apart; null where none is."""
    found = outlined(path, table)
    of_discs = zip(DISCS, found["area_um2"][:-1], polygons(found)[:-1], strict=True)
    for (x, y, radius), area, polygon in of_discs:
        true = math.pi * radius**2
        if x + radius > SIDE:
            true *= 0.9  # cut off by the edge of the slide
            assert polygon.bounds[2] == pytest.approx(SIDE, abs=0.01)
        else:
            assert shapely.distance(polygon.centroid, shapely.Point(x, y)) < 0.5
            assert polygon.area == pytest.approx(true, rel=0.05)
            assert area == pytest.approx(true * 0.25, rel=0.05)
        assert polygon.is_valid
    one, other = polygons(found)[1:3]
    assert one.intersection(other).area < 0.5
    assert math.isnan(found["area_um2"][-1])
    assert len(found["outline"][-1]) == 0


@pytest.mark.parametrize("settings", [{"inner_px": 64}, {"inner_px": 128, "threads": 2}])
def test_outlines_do_not_depend_on_windows(path, table, settings):
    """Discs on seams, discs that touch: the same corners, each nucleus once."""
    whole, parts = outlined(path, table), outlined(path, table, **settings)
    assert len(parts["x_px"]) == len(DISCS) + 1
    for name in ("x_px", "y_px", "confidence", "area_um2"):
        np.testing.assert_array_equal(parts[name], whole[name])
    for one, other in zip(parts["outline"], whole["outline"], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("network", [DarkPx(), DarkAround()])
def test_crowds_do_not_depend_on_windows(tmp_path, network):
    """Of random dark spots that touch in long chains, also if a px is judged by those around."""
    rng = np.random.default_rng(4)
    spots = np.column_stack([rng.uniform(0, 200, (150, 2)), rng.uniform(4, 8, 150)])
    slide = write_slide(tmp_path / "a.svs", draw(spots, 200) // 2 + noise(200, 200) // 4)
    table = write_table(tmp_path / "t.parquet", spots[:, :2])
    whole, parts = (outlined(slide, table, network=network, inner_px=n) for n in (224, 64))
    assert np.isfinite(whole["area_um2"]).mean() > 0.3
    same = [(a == b).all() for a, b in zip(parts["outline"], whole["outline"], strict=True)]
    assert np.mean(same) >= (0.98 if network.reach_px else 1)  # sums are rounded


def test_a_finer_slide_is_read_at_the_spacing_of_the_segmenter(tmp_path):
    """Twice the coordinates, the same areas in µm²."""
    fine = draw(DISCS).repeat(2, axis=0).repeat(2, axis=1)
    slide = write_slide(tmp_path / "b.svs", fine, spacing_um=0.25, downsamples=(1,))
    places = [(2 * x, 2 * y) for x, y, _ in DISCS]
    table = write_table(tmp_path / "t.parquet", places, level_0_um=0.25)
    found = outlined(slide, table)
    of_discs = zip(DISCS, found["area_um2"], polygons(found), strict=True)
    for (x, y, radius), area, polygon in list(of_discs)[:5]:
        assert area == pytest.approx(math.pi * radius**2 * 0.25, rel=0.05)
        assert polygon.area == pytest.approx(4 * math.pi * radius**2, rel=0.05)
        assert shapely.distance(polygon.centroid, shapely.Point(2 * x, 2 * y)) < 1


def test_where_a_tile_is_broken_nuclei_have_no_outline(path, table, caplog):
    """They stay in the table, and the log says why; the others are as before."""
    whole = outlined(path, table, inner_px=128)
    break_tile(path, row=1, column=2)
    found = outlined(path, table, inner_px=128)
    assert "nuclei have no outlines there" in caplog.text
    np.testing.assert_array_equal(found["x_px"], whole["x_px"])
    lost = np.isnan(found["area_um2"]) & ~np.isnan(whole["area_um2"])
    assert lost[[1, 2]].all()
    assert not lost[-3:].any()
    np.testing.assert_array_equal(found["area_um2"][~lost], whole["area_um2"][~lost])


def test_a_table_without_nuclei(path, tmp_path):
    """Nothing is read, and nothing found."""
    table = write_table(tmp_path / "none.parquet", [])
    with Slide(path, name="a") as slide:
        outliner = NucleusOutliner(DarkPx(), spacing_um=0.5)
        assert list(outline_nuclei(outliner, slide, table, scale=1.0)) == []


def test_a_segmenter_of_one_window_is_refused():
    """One line that names the key and what to set."""
    entry = {"kind": "nucleus_segmenter", "network": "plain", "start": None, "reduction": 1}
    entry |= {"width": 0.02, "patch_px": 20, "segmentation_layer": "dense"}
    with pytest.raises(InputError, match=r"segmentation_layer dense .* set it to convolution"):
        NucleusOutliner(build_model(entry), spacing_um=0.5)
