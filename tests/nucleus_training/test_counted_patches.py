"""The sparsity from counted nuclei: which patches are drawn, and what their counts mean."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.pictures import grid_of, smooth
from helpers.training_runs import inspected_slide
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.io.tables import read_table
from microtome.nucleus_training.counted_patches import read_counts, sparsity_of
from nucleus_sparsity import main


def run(monkeypatch, *arguments: object) -> None:
    """Run the command."""
    monkeypatch.setattr(sys, "argv", ["nucleus_sparsity.py", *map(str, arguments)])
    main()


def patches_in(folder) -> list[np.ndarray]:
    """Read the patches that were written, in the order of the table."""
    return [
        np.asarray(Image.open(folder / row["patch"])) for row in read_table(folder / "counts.csv")
    ]


def is_part_of(patch: np.ndarray, pixels: np.ndarray) -> bool:
    """Say whether a patch is found in an image, px by px."""
    side = len(patch)
    corners = np.argwhere((pixels[: 1 - side, : 1 - side] == patch[0, 0]).all(axis=-1))
    return any(np.array_equal(pixels[r : r + side, c : c + side], patch) for r, c in corners)


def test_patches_of_images(tmp_path, monkeypatch, capsys):
    """So many, of the size asked for, each part of one of the images; none of what is too small."""
    images = {"a": smooth(60, 90), "b": smooth(70, 50)[::-1], "small": smooth(19, 300)}
    (tmp_path / "images").mkdir()
    for name, pixels in images.items():
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        run(monkeypatch, "draw", tmp_path / "images", folder, "--patches", 6, "--patch-px", 20)
    found = patches_in(folders[0])
    assert len(found) == 6
    assert all(is_part_of(p, images["a"]) or is_part_of(p, images["b"]) for p in found)
    assert len({p.tobytes() for p in found}) > 1
    for first, second in zip(found, patches_in(folders[1]), strict=True):
        np.testing.assert_array_equal(first, second)
    assert capsys.readouterr().out.startswith("6 patches in ")


def test_patches_of_slides(tmp_path, monkeypatch):
    """Windows of the tissue, as pretraining draws them."""
    pixels = smooth(120, 160)
    write_json(tmp_path / "slides" / "a.json", inspected_slide(tmp_path / "a.svs", pixels))
    grids = tmp_path / "grids" / "0.5um_40px_every40px"
    grids.mkdir(parents=True)
    grid_of([(r, c) for r in range(3) for c in range(4)], patch_px=40).save(grids / "a.npz")
    write_json(grids / "a.json", {"state": "ok", "reason": ""})
    (grids / "bad.npz").touch()
    run(monkeypatch, "draw", grids, tmp_path / "out", "--patches", 5)
    found = patches_in(tmp_path / "out")
    assert [p.shape for p in found] == [(40, 40, 3)] * 5
    assert all(is_part_of(p, pixels) for p in found)


def test_the_line_for_the_config(tmp_path, monkeypatch, capsys):
    """10.4 nuclei of 625 places are the paper's 1.664 %."""
    table = tmp_path / "counts.csv"
    table.write_text("patch,nuclei\n" + "".join(f"p{n}.png,{n}\n" for n in (8, 9, 11, 12, 12)))
    run(monkeypatch, "count", table)
    assert capsys.readouterr().out == "sparsity_percent: 1.66 # 10.4 nuclei on each of 5 patches\n"
    run(monkeypatch, "count", table, "--patch-px", 40, "--reduction", 1)
    assert capsys.readouterr().out.startswith("sparsity_percent: 0.65 ")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9), st.sampled_from([1, 4]))
def test_so_many_places_are_active_as_there_are_nuclei(counts, reduction):
    """The share of all places is the mean count again."""
    percent = sparsity_of(counts, patch_px=100, reduction=reduction)
    assert percent / 100 * (100 // reduction) ** 2 == pytest.approx(np.mean(counts))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (("3", ""), "row 3: nuclei is empty"),
        (("x",), "row 2: nuclei is x"),
        (("-1",), "row 2: nuclei is -1"),
        ((), "has no rows"),
    ],
)
def test_counts_that_are_none(tmp_path, cells, words):
    """The line names file and row."""
    table = tmp_path / "counts.csv"
    table.write_text("patch,nuclei\n" + "".join(f"p.png,{cell}\n" for cell in cells))
    with pytest.raises(InputError, match=words):
        read_counts(table)


def test_what_cannot_be_drawn(tmp_path, monkeypatch):
    """No folder, no image, or a table that may hold counts."""
    with pytest.raises(InputError, match="is no folder"):
        run(monkeypatch, "draw", tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError, match="holds no image of 100 x 100 px or more"):
        run(monkeypatch, "draw", tmp_path, tmp_path / "out")
    (tmp_path / "counts.csv").touch()
    Image.fromarray(smooth(110, 110)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"counts\.csv: is there already"):
        run(monkeypatch, "draw", tmp_path, tmp_path)
