"""Shifted copies of slides: what is shifted, where it is written, and the tables."""

import shutil
import sys
from pathlib import Path

import numpy as np
import openslide
import pytest
from skimage.color import hed2rgb, rgb2hed

import stain_shift
from conftest import REPOSITORY, write_sheet
from helpers.pictures import stained
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_rows import load_sheet
from microtome.demo.files import write_svs
from microtome.errors import InputError
from stain_shift import SHIFTS, Shift, shift_pixels, shift_rows, write_shifted


def test_stains_are_shifted_as_scikit_image_would():
    """Pixels of two stains: scikit-image takes them apart, and puts other amounts together."""
    rng = np.random.default_rng(0)
    amounts = np.concatenate([rng.uniform(0.01, 0.08, (1, 500, 2)), np.zeros((1, 500, 1))], 2)
    pixels = np.rint(255 * hed2rgb(amounts)).astype(np.uint8)
    expected = rgb2hed(pixels) * [1.1, 0.9, 1.0]
    shifted = shift_pixels(pixels, Shift(haematoxylin=1.1, eosin=0.9))
    difference = shifted.astype(int) - np.rint(255 * hed2rgb(expected)).astype(int)
    assert np.abs(difference).max() <= 2  # scikit-image cuts off amounts below 0
    assert np.abs(shifted.astype(int) - pixels).max() > 5


def test_nothing_is_shifted_by_nothing_and_glass_stays_glass():
    """Factors of 1 give each colour back; white stays white, whatever the stain."""
    colours = np.random.default_rng(0).integers(1, 256, (1000, 3)).astype(np.uint8)
    assert np.array_equal(shift_pixels(colours, SHIFTS["unchanged"]), colours)
    white = np.full((1, 3), 255, np.uint8)
    for shift in (Shift(haematoxylin=1.5), Shift(eosin=0.5)):
        assert np.array_equal(shift_pixels(white, shift), white)


def test_more_stain_is_darker_and_less_is_lighter():
    """More haematoxylin takes red away, more eosin green; with less of it there is more."""
    (pixels,) = stained([1])
    mean = pixels.mean((0, 1))
    for stain, channel in (("haematoxylin", 0), ("eosin", 1)):
        more, less = (shift_pixels(pixels, SHIFTS[f"{stain}_{way}"]) for way in ("more", "less"))
        assert more.mean((0, 1))[channel] < mean[channel] < less.mean((0, 1))[channel]


def test_copies_are_slides_with_the_truth_of_theirs(tmp_path):
    """Test slides once a shift; others as they were; no lymph nodes, none without a split."""
    pixels = np.tile(np.uint8([200, 120, 180]), (300, 400, 1))
    for name in ("l", "t"):
        write_svs(tmp_path / f"{name}.svs", pixels)
        (tmp_path / f"{name}.xml").write_text(f"of {name}")
    write_sheet(
        tmp_path / "slides.tsv",
        {
            "learnt": {
                "split": "train",
                "path": tmp_path / "l.svs",
                "annotation": tmp_path / "l.xml",
            },
            "t": {"split": "test", "path": tmp_path / "t.svs", "annotation": tmp_path / "t.xml"},
            "asked": {},
            "n": {"split": "test", "node": 1, "patient": "p"},
        },
    )
    assert write_shifted(tmp_path / "slides.tsv", tmp_path / "shifted") == len(SHIFTS)
    sheet = load_sheet(tmp_path / "shifted" / "slides.tsv")
    assert list(sheet) == ["learnt", *(f"t.{name}" for name in SHIFTS)]
    assert (
        read_sheet(
            tmp_path / "shifted" / "slides.tsv",
            schema=REPOSITORY / "rules/schemas/slides.schema.yaml",
        )
        == sheet
    )
    truths = [Path(row["annotation"]).read_text() for row in sheet.values()]
    assert truths == ["of l", *["of t"] * len(SHIFTS)]
    for name, light in (("unchanged", 1.0), ("darker", 0.85)):
        with openslide.OpenSlide(sheet[f"t.{name}"]["path"]) as slide:
            assert slide.dimensions == (400, 300)
            assert float(slide.properties["openslide.mpp-x"]) == 0.5
            colour = slide.read_region((50, 50), 0, (1, 1)).getpixel((0, 0))[:3]
        assert np.abs(np.subtract(colour, light * pixels[0, 0])).max() <= 3


def test_a_sheet_without_test_slides_is_refused(tmp_path):
    """In one line that names the sheet."""
    write_sheet(tmp_path / "slides.tsv", {"learnt": {"split": "train"}})
    with pytest.raises(InputError, match=r"slides.tsv: has no slide of split test"):
        write_shifted(tmp_path / "slides.tsv", tmp_path / "shifted")


def test_tables_are_means_over_the_copies_of_a_shift(tmp_path, monkeypatch, capsys):
    """Dice a mean of slides, accuracy of patches; the command prints both, a row a model."""
    slides = [
        {"slide": f"{slide}.{name}", "patches": patches, "accuracy": accuracy, "dice": dice}
        for name in SHIFTS
        for slide, patches, accuracy, dice in (("a", "1", "1", "0.5"), ("b", "3", "0.6", "0.7"))
    ]
    expected = {name.replace("_", " ") for name in SHIFTS}
    for metric, value in (("dice", 0.6), ("accuracy", 0.7)):
        (row,) = shift_rows({"cae": slides}, metric)
        assert row.pop("model") == "cae"
        assert row == pytest.approx(dict.fromkeys(expected, value))
    folder = tmp_path / "evaluation"
    folder.mkdir()
    (folder / "models.tsv").write_text("model\ncae\n")
    lines = [",".join(slides[0]), *(",".join(one.values()) for one in slides)]
    (folder / "cae.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(sys, "argv", ["stain_shift.py", "table", str(tmp_path)])
    stain_shift.main()
    told = capsys.readouterr().out
    assert [part in told for part in ("Dice", "Accuracy", "| 0.600", "| 0.700")] == [True] * 4
    (folder / "cae.csv").write_text(",".join(slides[0]) + "\n")
    with pytest.raises(InputError, match=r"cae: no evaluated slide is called NAME.unchanged"):
        stain_shift.main()
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"models.tsv: is missing"):
        stain_shift.main()
