"""Pairs of H&E and DAPI become labelled images."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import REPOSITORY
from drawn_dapi import draw_dapi
from microtome.errors import InputError
from microtome.io.tables import read_table
from microtome.nucleus_images.sheet import read_image_sheet
from microtome.weak_labels import pairs
from microtome.weak_labels.dapi_registration import Picture, lay_on
from microtome.weak_labels.pairs import cut, find_covered, label_pairs, read_pairs
from weak_labels.drawn_nuclei import draw_he, scatter_nuclei

COLUMNS = "image\the_path\tdapi_path\tspacing_um\tdapi_spacing_um"
SHIFT_PX = np.array([30, -12])


def test_examples():
    """The examples of docstrings give what they say."""
    found = doctest.testmod(pairs)
    assert found.attempted
    assert not found.failed


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A pair at 1.0 µm per px, another H&E image, and the truth."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(1)
    labels = scatter_nuclei((80, 100), rng, n=90)
    Image.fromarray(draw_he(labels, rng)).save(folder / "he.png")
    dapi = draw_dapi(labels, rng, shift_px=SHIFT_PX, lost=0)
    tifffile.imwrite(folder / "dapi.tif", (dapi.clip(0, 2) * 2000).astype(np.uint16))
    Image.fromarray(draw_he(labels, rng)).save(folder / "other_he.png")
    return folder, labels


@pytest.fixture
def here(drawn, tmp_path, monkeypatch):
    """The working directory, with a sheet: a pair, and one that has no DAPI image."""
    monkeypatch.chdir(tmp_path)
    folder, _ = drawn
    Image.new("RGB", (50, 50), "plum").save("odd.png")
    rows = [
        f"disc\t{folder / 'he.png'}\t{folder / 'dapi.tif'}\t1",
        f"odd\t{folder / 'other_he.png'}\todd.png\t1\t1",
    ]
    Path("pairs.tsv").write_text("\n".join([COLUMNS, *rows]) + "\n")
    return tmp_path


def test_the_command_labels_what_registers_and_names_the_rest(here, drawn):
    """Its sheet is one of labelled images; pieces, labels and pictures fit the truth."""
    _, labels = drawn
    command = [sys.executable, REPOSITORY / "workflow_scripts" / "weak_nucleus_labels.py"]
    done = subprocess.run(
        [*command, "pairs.tsv", "weak"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "weak/images.tsv: 1 labelled images to look at in weak/overlays, 1 notes\n"
    )
    assert done.stderr == (
        "left out: image odd: odd.png has other colours than blue; save its DAPI channel alone,"
        " grey, as TIFF or PNG of 8 or 16 bits\n"
    )

    # The DAPI image covers columns 30 to 99 and rows 0 to 67.
    (image,) = read_image_sheet("weak/images.tsv")
    assert (image.name, image.split, image.spacing_um) == ("disc_1_1", "train", 1.0)
    whole, pixels = image.read_labels() > 0, image.read_pixels()
    (row,) = read_table("weak/registrations.tsv")
    top, left = int(row["first_row_px"]), int(row["first_column_px"])
    assert (top, left) == pytest.approx((0, 30), abs=1)
    assert whole.shape == pytest.approx((68, 70), abs=1)
    truth = labels[top : top + whole.shape[0], left : left + whole.shape[1]] > 0
    assert 2 * (whole & truth).sum() / (whole.sum() + truth.sum()) > 0.85
    given_pixels = np.asarray(Image.open(drawn[0] / "he.png"))
    np.testing.assert_array_equal(pixels, given_pixels[top:, left:][: len(whole), : len(whole[0])])
    found = float(row["shift_x_um"]), float(row["shift_y_um"])
    assert found == pytest.approx(SHIFT_PX, abs=0.5)

    overlay = np.asarray(Image.open("weak/overlays/disc_1_1.png"))
    dapi, he, outlined = np.split(overlay, 3, axis=1)
    np.testing.assert_array_equal(he, pixels)
    assert dapi[whole].mean() > 3 * dapi[~whole].mean()
    green = (outlined == (0, 255, 0)).all(axis=2)
    assert green.any()
    assert whole[green].all()
    np.testing.assert_array_equal(outlined[~green], pixels[~green])

    again = subprocess.run(
        [*command, "pairs.tsv", "weak"], capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert again.stderr == "weak/images.tsv: is there already; remove it or give another name\n"


def test_if_no_pair_registers_there_is_no_sheet(here):
    """The one message says why."""
    header, _, odd = Path("pairs.tsv").read_text().splitlines()
    Path("pairs.tsv").write_text(f"{header}\n{odd}\n")
    with pytest.raises(InputError, match=r"left out: image odd: odd.png has other colours"):
        label_pairs("pairs.tsv", here / "weak")
    assert not (here / "weak").exists()


def test_all_mistakes_of_a_sheet_are_told(here):
    """Before anything is read."""
    header, disc, _ = Path("pairs.tsv").read_text().splitlines()
    cells = disc.split("\t")
    rows = [
        "\t".join(["a/b", *cells[1:]]),
        "\t".join(["two", "gone.png", cells[2], "12"]),
        "\t".join(["three", cells[1], "", "0,5"]),
    ]
    Path("pairs.tsv").write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(InputError) as caught:
        read_pairs("pairs.tsv")
    text = str(caught.value)
    for wanted in (
        "row 2, image a/b: image:",
        "row 3, image two: spacing_um: 12",
        "row 3, image two: he_path: the file gone.png does not exist",
        "row 3, image two: dapi_path: the file",
        "row 4, image three: 'dapi_path' is missing",
        "row 4, image three: spacing_um: '0,5' is no number; did you mean 0.5?",
        "row 4, image three: he_path: the file",
    ):
        assert wanted in text, text


def test_a_sheet_that_is_not_there_is_told():
    """Without the config, which does not name it."""
    with pytest.raises(InputError) as caught:
        read_pairs("gone.tsv")
    assert str(caught.value) == (
        "image sheet gone.tsv: cannot be read (No such file or directory); give the path of one"
    )


@settings(max_examples=25)
@given(
    st.floats(-20, 20),
    st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
    st.tuples(st.integers(6, 14), st.integers(6, 14)),
)
def test_the_largest_rectangle_that_a_turned_image_covers(rotation_deg, shift_um, dapi_shape):
    """As a search through all rectangles finds it."""
    dapi = Picture(np.ones(dapi_shape, np.float32), 1.0)
    _, inside = lay_on(dapi, (rotation_deg, *shift_um), shape=(9, 12), spacing_um=1.0)
    assume(inside.any())
    best = max(
        inside[top:bottom, left:right].size
        for top in range(9)
        for bottom in range(top + 1, 10)
        for left in range(12)
        for right in range(left + 1, 13)
        if inside[top:bottom, left:right].all()
    )
    found = inside[find_covered(inside)]
    assert found.all()
    assert found.size == best


def test_a_disc_is_cut_into_images_of_the_papers_side():
    """760 x 480 µm: three by two of about 250 µm, which together are the whole."""
    whole = np.arange(96 * 152).reshape(96, 152)
    pieces = dict(cut(5.0, whole))
    assert list(pieces) == ["1_1", "1_2", "1_3", "2_1", "2_2", "2_3"]
    assert [one.shape for one in pieces.values()][:3] == [(48, 51), (48, 50), (48, 51)]
    joined = [np.hstack([pieces[f"{row}_{column}"] for column in (1, 2, 3)]) for row in (1, 2)]
    np.testing.assert_array_equal(np.vstack(joined), whole)
