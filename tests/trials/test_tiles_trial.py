"""The trial on tiles with masks: what is read, who is tested on what, and what is measured."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import tiles as trial
from conftest import REAL_DATA
from helpers.trial_data import EDGES_PX, write_tiles
from helpers.trial_data import TILE_PX as SIDE_PX
from microtome.errors import InputError
from microtome.patches.grid_spec import GridSpec
from microtome.training.colour_baseline import fit_colour
from tile_files import SPACING_UM, TileFiles, leave_one_out, load_tiles
from tile_maps import ALL, Maps, map_tile
from tiles_report import error_rows, figure_rows, method_table, write_report

SPEC = GridSpec(SPACING_UM, patch_px=64, stride_px=32)


@pytest.fixture
def folder(tmp_path):
    """Three tiles whose left part is tumour."""
    return write_tiles(tmp_path)


@pytest.fixture
def files(folder):
    """The library's files of these tiles."""
    made = TileFiles(folder / "files")
    for tile in load_tiles(folder):
        made.prepare(tile)
    return made


class ByColour(nn.Module):
    """Two probabilities: of px with enough red, and of the others."""

    def __init__(self, red: float, other: float, *, least_red: float = 0.5) -> None:
        super().__init__()
        self.logits = torch.logit(torch.tensor([other, red]))
        self.least_red = least_red

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, H, W)."""
        tumour = self.logits[(images[:, 0] > self.least_red).long()]
        return torch.stack([torch.zeros_like(tumour), tumour], dim=1)


def test_masks_are_cut_at_half(folder):
    """128 is tumour, 127 is not; what JPEG makes of black and white does not matter."""
    grey = np.full((SIDE_PX, SIDE_PX), 127, np.uint8)
    grey[:30] = 128
    Image.fromarray(grey).save(folder / "masks" / "s_1.png")
    (folder / "masks" / "s_2.png").unlink()
    white = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    white[10:50, 20:70] = 255
    Image.fromarray(white).convert("RGB").save(folder / "masks" / "s_2.jpg", quality=60)
    first, second, _ = load_tiles(folder)
    assert np.array_equal(first.mask, grey == 128)
    assert np.array_equal(second.mask, white == 255)


def test_each_tile_is_tested_once_by_the_others(folder):
    """Tiles come by name, each with its own mask; none is trained on and tested at once."""
    tiles = load_tiles(folder)
    for tile in tiles:
        assert np.array_equal(tile.pixels()[..., 0] == 255, tile.mask)
    pairs = [([t.name for t in trained], tested.name) for trained, tested in leave_one_out(tiles)]
    assert pairs == [(["s_2", "s_3"], "s_1"), (["s_1", "s_3"], "s_2"), (["s_1", "s_2"], "s_3")]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "masks" / "s_2.png").unlink(),
            "tile s_2: .*masks has no mask of it; add one",
        ),
        (
            lambda folder: Image.new("L", (SIDE_PX, 32)).save(folder / "masks" / "s_2.png"),
            "tile s_2: the image is 96 x 96 px, its mask 96 x 32 px",
        ),
        (
            lambda folder: [(folder / "images" / f"s_{i}.png").unlink() for i in (2, 3)],
            "images holds 1 tiles .* at least two",
        ),
        (
            lambda folder: (folder / "images" / "s_2.png").write_bytes(b"nothing of the kind"),
            "s_2.png cannot be read .* copy it again",
        ),
        (
            lambda folder: shutil.copy(folder / "images" / "s_1.png", folder / "images/s_3.png"),
            "tiles s_1 and s_3 are the same picture",
        ),
        (
            lambda folder: (folder / "masks").rename(folder / "truth"),
            "the folder .*masks does not exist",
        ),
    ],
    ids=["no mask", "another size", "one tile", "no picture", "twice", "no folder"],
)
def test_bad_tiles_are_said_in_one_line(folder, spoil, message):
    """The line names the tile or the folder."""
    spoil(folder)
    with pytest.raises(InputError, match=message) as error:
        load_tiles(folder)
    assert "\n" not in str(error.value)


def test_patches_and_their_truth_are_those_of_the_tiles(folder, files):
    """Whole tiles are covered, white glass too, at their own px."""
    of_name = {tile.name: tile for tile in load_tiles(folder)}
    data = files.patches(["s_3", "s_1"], SPEC, truths=True)
    ((images, truths),) = data.in_order(100)
    assert data.slides == ["s_3", "s_1"]
    corners = [(name, y, x) for name in data.slides for y in (0, 32) for x in (0, 32)]
    assert len(images) == len(corners)
    for image, truth, (name, y, x) in zip(images, truths, corners, strict=True):
        part = np.s_[y : y + 64, x : x + 64]
        assert np.array_equal(image.permute(1, 2, 0), of_name[name].pixels()[part])
        assert np.array_equal(truth, of_name[name].mask[part])


def test_squares_of_colour_are_tumour_from_half_on(files):
    """Tumour up to 48 px is half of the second square of 32 px; up to 72 px, 8 px of the third."""
    half, quarter = (
        files.patches([name], GridSpec(SPACING_UM, 32, 32), label_rule="fraction").labels
        for name in ("s_2", "s_3")
    )
    assert half.tolist() == quarter.tolist() == [1, 1, 0] * 3


def test_two_networks_are_averaged_and_their_difference_is_their_variance(files):
    """Half of tile s_2 is tumour. 0.9 and 0.3 give 0.6 in it; 0.2 and 0.6 give 0.4 elsewhere."""
    members = {"a": ByColour(0.9, 0.2), "b": ByColour(0.3, 0.6)}
    maps = map_tile(members, "s_2", files, SPEC)
    for figure in ("dice", "jaccard", "auc"):
        assert [maps[name].figures[figure] for name in ("a", "b", ALL)] == [1, 0, 1]
    assert maps["a"].figures["calibration_error"] == pytest.approx(0.15, abs=2e-3)
    red = np.arange(SIDE_PX) < 48
    np.testing.assert_allclose(maps[ALL].probability[5], np.where(red, 0.6, 0.4), atol=2e-3)
    np.testing.assert_allclose(maps[ALL].epistemic[5], np.where(red, 0.09, 0.04), atol=1e-5)
    assert maps["a"].epistemic is None


def test_errors_are_looked_for_where_networks_differ(files):
    """Networks that differ exactly where they are wrong together find all their errors."""
    # Both miss the tumour, and only there they differ.
    maps = map_tile({"a": ByColour(0.05, 0.1), "b": ByColour(0.45, 0.1)}, "s_2", files, SPEC)
    (row, pooled) = error_rows({"s_2": maps})
    assert (row["slide"], row["auroc_epistemic"]) == ("s_2", 1.0)
    assert (pooled["slide"], pooled["auroc_epistemic"]) == ("all", 1.0)


def test_a_fold_trains_on_the_other_tiles_alone(files, tmp_path, monkeypatch):
    """Nothing of the tested tile is trained on, nothing chooses an epoch, and all is mapped."""
    seen = []

    def trained(name, entry, train, validation, *, checkpoint, **settings):
        seen.append((name, train.slides, len(validation), checkpoint.name))
        ((_, still),) = train.in_order(100)
        ((_, moved),) = train.shuffled(100, seed=1, epoch=1)
        assert still.shape == (8, 64, 64)
        areas = still.sum((1, 2)), moved.sum((1, 2))
        assert not set(areas[1].tolist()) <= set(areas[0].tolist())
        return ByColour(0.9, 0.1), []

    def fitted(squares):
        seen.append(("colour", squares.slides, squares.labels.tolist()))
        return fit_colour(squares)

    monkeypatch.setattr(trial, "train_model", trained)
    monkeypatch.setattr(trial, "fit_colour", fitted)
    entries = {name: {"augmentation": {"shift_px": 8}} for name in ("a", "b")}
    found = trial.run_fold(
        ["s_1", "s_3"],
        "s_2",
        files,
        networks=entries,
        checkpoints=tmp_path,
        patches=SPEC,
        inference=SPEC,
    )
    # Of the last squares of s_3 a quarter is tumour.
    assert seen == [
        ("colour", ["s_1", "s_3"], [1, 0, 0] * 3 + [1, 1, 0] * 3),
        ("a", ["s_1", "s_3"], 0, "a-without-s_2.safetensors"),
        ("b", ["s_1", "s_3"], 0, "b-without-s_2.safetensors"),
    ]
    assert list(found) == ["colour", "a", "b", ALL]
    assert ((found[ALL].probability >= 0.5).sum(axis=1) == EDGES_PX["s_2"]).all()
    # Squares of 32 px that overlap by half: right to within one of their strides.
    n_columns = (found["colour"].probability >= 0.5).sum(axis=1)
    assert (abs(n_columns - EDGES_PX["s_2"]) <= 16).all()


def of_figures(dice: float) -> Maps:
    """Maps of which only the figures matter."""
    jaccard = dice / (2 - dice)
    figures = {"dice": dice, "jaccard": jaccard, "auc": dice / 2, "calibration_error": 0.1}
    return Maps(np.zeros((SIDE_PX, SIDE_PX)), figures, {}, None)


def test_the_table_has_the_blind_baseline_and_means_over_tiles(folder):
    """Everything tumour has a Jaccard of the share s and a Dice of 2 s / (1 + s), and no AUC."""
    tiles = load_tiles(folder)
    found = {
        tile.name: {"unet_resnet18": of_figures(dice)}
        for tile, dice in zip(tiles, (0.5, 0.8, 1.0), strict=True)
    }
    rows = figure_rows(tiles, found)
    assert [row["method"] for row in rows[:2]] == ["everything tumour", "U-Net"]
    assert [row["jaccard"] for row in rows[::2]] == [0.25, 0.5, 0.75]
    assert [row["dice"] for row in rows[::2]] == pytest.approx([0.4, 2 / 3, 6 / 7])
    table = method_table(rows, "dice", "jaccard")
    assert [tuple(row.values()) for row in table] == [
        ("s_1", "25%", "0.400 / 0.250", "0.500 / 0.333"),
        ("s_2", "50%", "0.667 / 0.500", "0.800 / 0.667"),
        ("s_3", "75%", "0.857 / 0.750", "1.000 / 1.000"),
        ("mean", "50%", "0.641 / 0.500", "0.767 / 0.667"),
    ]
    assert list(table[0]) == ["tile", "tumour", "everything tumour", "U-Net"]
    # A method without probabilities has no AUC, and no column.
    (first, *_) = method_table(rows, "auc")
    assert first == {"tile": "s_1", "tumour": "25%", "U-Net": "0.250"}


def test_the_report_of_a_tile_without_errors(folder, files):
    """Where no px is wrong no error can be found: that is not defined, and no reason to stop."""
    tiles = load_tiles(folder)
    members = {"a": ByColour(0.9, 0.2), "b": ByColour(0.6, 0.1)}
    found = {tile.name: map_tile(members, tile.name, files, SPEC) for tile in tiles}
    write_report(folder / "report", tiles, found, seconds=150)
    text = (folder / "report" / "summary.md").read_text()
    for part in ("3 tiles", "2 minutes", "| s_2  | not defined", "| mean | 50%"):
        assert part in text


def test_real_tiles_are_those_of_one_slide():
    """The tumour of the four real tiles, and that they are told apart by their names."""
    images = REAL_DATA / "oral_ocdc_masks"
    if not images.is_dir():
        pytest.skip("the folder of real tiles (../shared/data/oral_ocdc_masks) is not here")
    tiles = load_tiles(images)
    assert {tile.name.split("_")[0] for tile in tiles} == {"1009009"}
    assert [round(float(tile.mask.mean()), 3) for tile in tiles] == [0.848, 0.347, 0.204, 0.044]
