"""Training patches moved at random: where they really lie, their truth with them."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from skimage.morphology import remove_small_holes

from helpers.pictures import grid_of, noise, shrunk, stained, write_store
from helpers.training_runs import inspected_slide, order_and_turns
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.rasters.labels import VIABLE
from microtome.slides.slide import Slide
from microtome.slides.tiled_source import TiledSource
from microtome.training.batches import Patches, Source, turn
from microtome.training.open_data import open_training_data
from microtome.training.random_placement import Move, Moves
from microtome.training.slide_source import slide_sources
from microtome.training.truth_source import TruthPatches

SIDE, STRIDE = 32, 40
PLACES = [(r, c) for r in range(4) for c in range(8)]
SLIDE = {"spacing_tolerance": 0.02, "upsample": False}


def test_shifts_are_uniform_in_a_disc():
    """Each of the 13 whole px within 2 px comes as often as the others, and no other does."""
    moves = Moves(shift_px=2).draw(13000, seed=3, epoch=1)
    places, counts = np.unique(np.stack([moves["x_px"], moves["y_px"]]), axis=1, return_counts=True)
    assert {(x, y) for x, y in places.T.tolist()} == {
        (x, y) for x in range(-2, 3) for y in range(-2, 3) if x * x + y * y <= 4
    }
    assert chisquare(counts).pvalue > 1e-3
    assert (moves["zoom"] == 1).all()


def test_far_shifts_fit():
    """The largest shift of all comes near its end and not beyond."""
    moves = Moves(shift_px=1024).draw(20000, seed=0, epoch=0)
    distance = np.hypot(moves["x_px"].astype(float), moves["y_px"])
    assert 1020 < distance.max() <= 1024
    assert np.mean(distance < 512) == pytest.approx(0.25, abs=0.02)


def test_zooms_are_uniform():
    """The spacing is multiplied by 0.8 to 1.2, on average by 1; the place stays without shift."""
    moves = Moves(zoom=0.2).draw(20000, seed=3, epoch=1)
    assert 0.8 <= moves["zoom"].min() < 0.801
    assert 1.199 < moves["zoom"].max() <= 1.2
    assert moves["zoom"].mean() == pytest.approx(1, abs=0.005)
    assert not np.any([moves["x_px"], moves["y_px"]])


def test_moves_follow_from_seed_and_epoch():
    """Another seed or epoch draws others; zoom leaves the shifts as they are without."""
    moves, again, *others = (
        Moves(shift_px=50).draw(100, seed=seed, epoch=epoch)
        for seed, epoch in ((1, 1), (1, 1), (1, 2), (2, 1))
    )
    assert np.array_equal(moves, again)
    assert not any(np.array_equal(moves, other) for other in others)
    zoomed = Moves(shift_px=50, zoom=0.1).draw(100, seed=1, epoch=1)
    assert np.array_equal(zoomed[["x_px", "y_px"]], moves[["x_px", "y_px"]])


def test_moves_are_the_same_everywhere():
    """Their numbers are their own, not those that order and turns are drawn from."""
    moves = Moves(shift_px=128, zoom=0.1).draw(3, seed=1, epoch=2)
    assert moves["x_px"].tolist() == [-13, 17, -17]
    assert moves["y_px"].tolist() == [26, 94, -26]
    np.testing.assert_allclose(moves["zoom"], [1.0462060, 0.9151516, 0.9816576], rtol=1e-6)


@pytest.fixture(scope="module")
def pixels():
    """Draw a slide of 180 x 340 px: the last patches of the lattice hang over its edge."""
    return noise(180, 340, seed=2)


@pytest.fixture(scope="module")
def info(tmp_path_factory, pixels):
    """Write the slide."""
    path = tmp_path_factory.mktemp("slides") / "a.svs"
    return inspected_slide(path, pixels, downsamples=(1, 2))


@pytest.fixture(scope="module")
def truth(tmp_path_factory, pixels):
    """Write the slide's truth: tumour where its red is strong."""
    path = tmp_path_factory.mktemp("truth") / "a.tif"
    write_array(path, np.where(pixels[..., 0] > 127, VIABLE, 0), spacing_um=0.5)
    return open_raster(path)


def data_of(info, *, workers: int = 0, **settings) -> Patches:
    """Take the patches of the slide, which may be moved."""
    return Patches([source_of(info)], labelled=False, workers=workers, **settings)


def source_of(info, *, scale: float = 1.0, **settings) -> Source:
    """Lay patches over the slide."""
    grid = grid_of(PLACES[:: int(scale) ** 2], patch_px=SIDE, stride_px=STRIDE, scale=scale)
    return slide_sources([("a", info, grid)], **SLIDE, **settings)[0]


def truth_of(raster, *, max_blob_px: int = 0) -> TruthPatches:
    """Give the truth of the patches of `data_of`."""
    grid = grid_of(PLACES, patch_px=SIDE, stride_px=STRIDE)
    return TruthPatches(raster, grid, max_blob_px=max_blob_px)


def test_a_shifted_patch_is_a_slice_of_the_slide(pixels, info, monkeypatch):
    """Every px is the slide's own, white beyond its edge; nothing is read beside the patch.

    Order and turns are those of a run without moves.
    """
    asked = []
    read = TiledSource.read

    def spied(source, *region, reduce):
        level, _, _, width, height = region
        asked.append((level, width, height, reduce))
        return read(source, *region, reduce=reduce)

    monkeypatch.setattr(TiledSource, "read", spied)
    # Opening reads too, to compare levels; here there is one.
    monkeypatch.setattr("microtome.slides.slide.choose_levels", lambda slide: [0])
    moves = Moves(shift_px=60)
    images = torch.cat([i for i, _ in data_of(info, moves=moves).shuffled(5, seed=7, epoch=2)])
    assert set(asked) == {(0, SIDE, SIDE, 1)}
    padded = np.pad(pixels, ((99, 99), (99, 99), (0, 0)), constant_values=255)
    order, turns = order_and_turns(len(PLACES), seed=7, epoch=2)
    drawn = moves.draw(len(PLACES), seed=7, epoch=2)
    assert len(images) == len(PLACES)
    for image, i, code, (x_px, y_px, _) in zip(images, order, turns, drawn, strict=True):
        top, left = PLACES[i][0] * STRIDE + y_px + 99, PLACES[i][1] * STRIDE + x_px + 99
        expected = turn(padded[top : top + SIDE, left : left + SIDE], int(code))
        np.testing.assert_array_equal(image.permute(1, 2, 0), expected)


def test_a_shift_is_in_patch_px(pixels, info):
    """At a coarser level a shift of 3 px is 3 px of that level."""
    source = source_of(info, scale=2.0)
    coarse = np.floor(shrunk(pixels, 2) + 0.5).astype(np.uint8)
    out = np.empty((1, SIDE, SIDE, 3), np.uint8)
    for x_px, y_px in ((0, 0), (3, 8)):
        source.read(0, out, Move(x_px, y_px))
        np.testing.assert_array_equal(out[0], coarse[y_px : y_px + SIDE, x_px : x_px + SIDE])


@pytest.mark.parametrize("zoom", [0.75, 1.5])
def test_a_zoomed_patch_keeps_its_centre(info, zoom):
    """Patch (1, 2), moved by (+5, -3), is centred at (101, 53); so is its further spacing."""
    source = source_of(info, spacings_um=(1.0,))
    out = np.empty((2, SIDE, SIDE, 3), np.uint8)
    source.read(PLACES.index((1, 2)), out, Move(x_px=5, y_px=-3, zoom=zoom))
    with Slide(info["path"], name="a") as slide:
        for image, scale in zip(out, (zoom, 2 * zoom), strict=True):
            half = SIDE / 2 * scale
            expected = slide.read(101 - half, 53 - half, SIDE, SIDE, scale=scale)
            np.testing.assert_array_equal(image, expected)


def test_image_and_truth_are_moved_alike(info, truth):
    """In every batch the truth is that of the px that are there, moved and turned."""
    data = data_of(info, moves=Moves(shift_px=60), truths=[truth_of(truth)])
    for images, truths in (*data.in_order(6), *data.shuffled(6, seed=1, epoch=1)):
        assert truths.dtype == torch.uint8
        # Red alone decides; what is white lies outside the slide and is no tumour.
        inside = (images != 255).any(1)
        assert torch.equal(truths == 1, (images[:, 0] > 127) & inside)


@pytest.mark.parametrize("zoom", [0.75, 1.0, 1.5])
def test_zoomed_truth_is_the_map_at_the_centres_of_px(pixels, truth, zoom):
    """Px i of a patch centred at c lies at c + (i + 1/2 - side/2) * zoom: computed one by one."""
    found = np.empty((SIDE, SIDE), np.uint8)
    row = PLACES.index((1, 2))
    truth_of(truth).read(row, found, Move(x_px=5, y_px=-3, zoom=zoom))
    mask = pixels[..., 0] > 127
    place = [[int(c + (i + 0.5 - 16) * zoom) for i in range(SIDE)] for c in (53, 101)]
    expected = [[mask[y, x] for x in place[1]] for y in place[0]]
    np.testing.assert_array_equal(found, expected)


def test_the_same_holes_are_closed_at_any_zoom(tmp_path):
    """Where 16 px may be closed a hole of 9 is and one of 36 is not, seen as 144 px or as 16."""
    labels = np.full((200, 400), VIABLE, np.uint8)
    labels[60:63, 105:108] = 0
    labels[70:76, 105:111] = 0
    write_array(tmp_path / "a.tif", labels, spacing_um=0.5)
    truth = truth_of(open_raster(tmp_path / "a.tif"), max_blob_px=16)
    for zoom, larger in ((0.5, 144), (1.0, 36), (1.5, 16)):
        found = np.empty((64, 64), np.uint8)
        truth.read(PLACES.index((1, 2)), found, Move(zoom=zoom))  # centred at (112, 72)
        assert (found == 0).sum() == larger


def test_holes_at_half_the_spacing_are_closed_as_in_the_whole_map(pixels, tmp_path):
    """Also those that a patch shows only a part of: as in the map with every px made four."""
    mask = pixels[..., 0] > 90
    write_array(tmp_path / "a.tif", np.where(mask, VIABLE, 0), spacing_um=0.5)
    truth = truth_of(open_raster(tmp_path / "a.tif"), max_blob_px=5)
    finer = np.pad(np.kron(mask, np.ones((2, 2), bool)), 40)  # beyond the slide: no tumour
    closed = remove_small_holes(finer, max_size=20)[40:, 40:]
    found = np.empty((SIDE, SIDE), np.uint8)
    for row, (r, c) in enumerate(PLACES[:20]):
        truth.read(row, found, Move(zoom=0.5))
        top, left = 2 * (STRIDE * r + SIDE // 4), 2 * (STRIDE * c + SIDE // 4)
        np.testing.assert_array_equal(found, closed[top : top + SIDE, left : left + SIDE])


@pytest.mark.parametrize(("workers", "of"), [(1, 1), (3, 1), (0, 2)])
def test_workers_and_processes_change_no_move(info, truth, workers, of):
    """Threads that read ahead, and processes together, have the batches of neither."""
    settings = {"moves": Moves(shift_px=20, zoom=0.1), "truths": [truth_of(truth)]}
    expected = list(data_of(info, **settings).shuffled(5, seed=1, epoch=3))
    data = data_of(info, workers=workers, **settings)
    for number in range(of):
        found = list(data.shuffled(5, seed=1, epoch=3, share=(number, of)))
        for (images, truths), (others, other_truths) in zip(found, expected, strict=True):
            assert torch.equal(images, others[number::of])
            assert torch.equal(truths, other_truths[number::of])


def test_validation_is_never_moved(info):
    """In order, patches are read where they lie."""
    moved, still = (data_of(info, moves=moves) for moves in (Moves(shift_px=20, zoom=0.1), None))
    for (images, _), (others, _) in zip(moved.in_order(8), still.in_order(8), strict=True):
        assert torch.equal(images, others)


def test_stored_patches_cannot_be_moved(tmp_path, info):
    """Stores with moves are one clear line; grids with moves give moved patches."""
    settings = {
        "labelled": False,
        "workers": 0,
        "min_tissue_fraction": 0.2,
        "slide_settings": SLIDE,
        "moves": Moves(shift_px=20),
    }
    store = write_store(tmp_path / "a.zarr", stained([0, 1]), [0, 1])
    with pytest.raises(InputError, match=r"^augmentation\.shift_px and zoom: .* a are stored"):
        open_training_data([store], [], **settings)
    grid_of(PLACES, patch_px=SIDE, stride_px=STRIDE).save(tmp_path / "a.npz")
    write_json(tmp_path / "a.json", info)
    paths = {"slide_paths": [info["path"]]}
    data = open_training_data([tmp_path / "a.npz"], [tmp_path / "a.json"], **paths, **settings)
    images, _ = next(data.shuffled(8, seed=1, epoch=1))
    expected, _ = next(data_of(info, moves=Moves(shift_px=20)).shuffled(8, seed=1, epoch=1))
    assert torch.equal(images, expected)
    assert len(open_training_data([], [], **settings)) == 0
