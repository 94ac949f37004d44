"""Patches read in one go are what the slide gives one by one, however they lie and share tiles."""

import multiprocessing
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.pictures import break_tile, grid_of, noise, write_slide
from helpers.slide_files import texture, write_tiled
from microtome.patches import strips, tile_plan
from microtome.patches import tile_reading as tile_patches
from microtome.patches.grid import Grid
from microtome.patches.reading import read_patches
from microtome.patches.tile_plan import find_corners, plan_views
from microtome.slides.slide import Slide
from microtome.slides.tiled_source import TiledSource

PIXELS = texture(300, 430)
THREADS = (1, 2, 3)


@pytest.fixture
def small_parts(monkeypatch):
    """Make regions and blocks so small that many of them share tiles."""
    for module in (strips, tile_plan):
        monkeypatch.setattr(module, "_REGION_PX", 200)
    monkeypatch.setattr(tile_patches, "_BLOCK_BYTES", 5 * 32 * 32 * 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder for the slides of this module."""
    return tmp_path_factory.mktemp("slides")


def collected(slide: Slide, grid: Grid, **options) -> dict[int, np.ndarray]:
    """Every patch by its number; none comes twice."""
    found: dict[int, np.ndarray] = {}
    for index, pixels in read_patches(slide, grid, **options):
        for i, patch in zip(index.tolist(), pixels, strict=True):
            assert i not in found
            found[i] = patch.copy()
    return found


def by_scale(slide: Slide, grid: Grid, scales: list[float], *, threads: int) -> dict:
    """Every patch at each of several scales, the grid's own first, by scale and number."""
    further = [slide.spacing_um * scale for scale in scales[1:]]
    found = collected(slide, grid, threads=threads, spacings_um=further)
    shape = (len(scales), grid.patch_px, grid.patch_px, 3)
    return {
        scale: {i: patch.reshape(shape)[place] for i, patch in found.items()}
        for place, scale in enumerate(scales)
    }


def helpers() -> set:
    """The threads and processes there are."""
    return {*threading.enumerate(), *multiprocessing.active_children()}


def one_by_one(slide: Slide, grid: Grid, scale: float | None = None) -> list[np.ndarray]:
    """What `Slide.read` gives for each patch, at another scale with the same centre."""
    scale = scale or grid.scale
    x_px, y_px = find_corners(grid, scale)
    side = grid.patch_px
    return [
        slide.read(x, y, side, side, scale=scale)
        for x, y in zip(x_px.tolist(), y_px.tolist(), strict=True)
    ]


def full(slide: Slide, *, patch_px: int, stride_px: int, scale: float) -> Grid:
    """A grid over the whole slide and beyond its edges."""
    columns, rows = (int(side / scale / stride_px) + 1 for side in slide.size_px)
    places = [(r, c) for r in range(rows) for c in range(columns)]
    return grid_of(places, patch_px=patch_px, stride_px=stride_px, scale=scale)


def require_equal(found: dict[int, np.ndarray], expected: list[np.ndarray], most: int = 0) -> None:
    """Every patch is there and differs by no more than `most`."""
    assert sorted(found) == list(range(len(expected)))
    for i, patch in enumerate(expected):
        assert np.abs(found[i].astype(int) - patch).max() <= most, i


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("stride_px", [12, 32, 50])
@pytest.mark.parametrize(
    ("storage", "tile"),
    [
        *(("jpeg 4:2:0", tile) for tile in [(64, 64), (48, 48), (32, 112)]),
        *((storage, (32, 32)) for storage in ["jpeg rgb", "deflate", "jpeg 2000"]),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_patches_are_the_slides(folder, *, threads, stride_px, storage, tile, scale):
    """Overlapping, touching or apart, over tiles of any size or their own: what the slide gives."""
    path = folder / f"{tile[0]} {storage}.svs".replace(":", "")
    if not path.exists():
        options = {"absent": {(0, 3), (0, 20)}, "downsamples": (1,)}
        write_tiled(path, PIXELS, storage, tile=tile, **options)
    with Slide(path, name="a") as slide:
        grid = full(slide, patch_px=32, stride_px=stride_px, scale=scale)
        assert plan_views(slide, grid, [scale]), "patches on whole px are pieced from tiles"
        require_equal(collected(slide, grid, threads=threads), one_by_one(slide, grid))


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("scales", [[1.25], [2.057], [3.0], [5.3], [1.0, 2.3, 6.0]])
def test_resampled_patches(folder, threads, scales):
    """At scales of which no decoder gives one patches are cut from strips, all but equal."""
    path = write_tiled(folder / "strips.svs", PIXELS, "jpeg rgb")
    with Slide(path, name="a") as slide:
        grid = full(slide, patch_px=32, stride_px=24, scale=scales[0])
        assert plan_views(slide, grid, scales) is None
        for scale, found in by_scale(slide, grid, scales, threads=threads).items():
            require_equal(found, one_by_one(slide, grid, scale), 0 if scale % 1 == 0 else 2)


@pytest.fixture(scope="module")
def sparse_slide(folder):
    """Open a slide with absent tiles, whose sides are no multiples of anything."""
    options = {"absent": {(0, 0), (0, 9)}, "downsamples": (1, 4), "aperio": False}
    path = write_tiled(folder / "sparse.tif", PIXELS[:297, :423], "jpeg rgb", **options)
    with Slide(path, name="a", spacing_um=0.5) as slide:
        yield slide


@settings(max_examples=60)
@given(data=st.data())
def test_any_grid(sparse_slide, data):
    """Any patches of any stride, in any number of regions and blocks, are the slide's."""
    scale = data.draw(st.sampled_from([1.0, 2.0, 4.0, 8.0]))
    patch_px = data.draw(st.integers(3, 80))
    stride_px = data.draw(st.integers(2, 90))
    rows, columns = (int(side / scale / stride_px) + 1 for side in sparse_slide.size_px[::-1])
    place = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    places = sorted(data.draw(st.sets(place, max_size=15)))
    grid = grid_of(places, patch_px=patch_px, stride_px=stride_px, scale=scale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile_plan, "_REGION_PX", data.draw(st.sampled_from([1, 150, 16384])))
        block = data.draw(st.integers(1, 6)) * patch_px**2 * 3
        patch.setattr(tile_patches, "_BLOCK_BYTES", block)
        found = collected(sparse_slide, grid, threads=data.draw(st.sampled_from(THREADS)))
    require_equal(found, one_by_one(sparse_slide, grid))


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(
    ("stride_px", "spacings_um"), [(12, ()), (32, ()), (50, ()), (32, (1.0, 2.0))]
)
def test_every_tile_is_decoded_once(folder, monkeypatch, threads, stride_px, spacings_um):
    """Within a region no tile is decoded twice, however many blocks and spacings share it."""
    monkeypatch.setattr(tile_patches, "_BLOCK_BYTES", 7 * 32 * 32 * 3)
    path = write_tiled(folder / "once.svs", PIXELS, "jpeg rgb", downsamples=(1,))
    calls = folder / "calls.txt"
    calls.unlink(missing_ok=True)
    read_tile = TiledSource.read_tile

    def counted(self, level, tile, reduce=1, **options):
        with calls.open("a") as file:  # from several processes
            file.write(f"{level} {tile}\n")
        return read_tile(self, level, tile, reduce, **options)

    monkeypatch.setattr(TiledSource, "read_tile", counted)
    with Slide(path, name="a") as slide:
        grid = full(slide, patch_px=32, stride_px=stride_px, scale=1.0)
        collected(slide, grid, threads=threads, spacings_um=spacings_um)
    decoded = calls.read_text().splitlines()
    assert len(decoded) == len(set(decoded)) == 5 * 7


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(
    ("storage", "downsamples", "most"),
    [
        ("deflate", (1,), 0),
        ("deflate", (1, 2, 4), 0),
        ("jpeg rgb", (1,), 2),
        ("jpeg rgb", (1, 2, 4), 0),
        ("jpeg 4:2:0", (1,), 12),
        ("jpeg 4:2:0", (1, 4), 12),
    ],
)
def test_further_spacings_have_the_same_centres(folder, threads, storage, downsamples, most):
    """Each spacing is the slide's at the shared centre, but for how the decoder scales chroma."""
    path = write_tiled(folder / "scales.svs", PIXELS, storage, downsamples=downsamples)
    with Slide(path, name="a") as slide:
        grid = full(slide, patch_px=32, stride_px=32, scale=1.0)
        scales = [1.0, 2.0, 4.0]
        assert plan_views(slide, grid, scales)
        for scale, found in by_scale(slide, grid, scales, threads=threads).items():
            expected = one_by_one(slide, grid, scale)
            require_equal(found, expected, most if scale > 1 else 0)
            for i, patch in enumerate(expected):
                assert np.abs(found[i].astype(int) - patch).mean() <= 1


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("scale", [1.0, 2.0, 1.3])
def test_a_broken_tile_costs_what_it_touches(tmp_path, caplog, threads, scale):
    """Patches that a broken tile lies in are left out with a warning each, all others are there."""
    path = write_slide(tmp_path / "a.svs", noise(420, 600), downsamples=(1,))
    with Slide(path, name="a") as slide:
        grid = full(slide, patch_px=32, stride_px=20, scale=scale)
        expected = one_by_one(slide, grid)
    break_tile(path, row=2, column=3)  # x 192-256, y 128-192
    ends = (grid.x_px + 32 * scale, grid.y_px + 32 * scale)
    touched = (grid.x_px < 256) & (ends[0] > 192) & (grid.y_px < 192) & (ends[1] > 128)
    with Slide(path, name="a") as slide:
        found = collected(slide, grid, threads=threads)
    lost = set(range(len(grid))) - set(found)
    if scale == 1.3:  # the triangle looks a little beyond the patch
        assert lost >= set(np.flatnonzero(touched))
        assert len(lost) < 2 * touched.sum()
    else:
        assert lost == set(np.flatnonzero(touched))
    for i, patch in found.items():
        assert np.abs(patch.astype(int) - expected[i]).max() <= 2
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == len(lost)
    text = f"slide a: {path} cannot be read at x=192, y=128"
    assert all(line.startswith(text) for line in warned)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_stopping_early_leaves_nothing(folder, threads, scale):
    """Who asks for no more patches gets rid of threads and processes at once."""
    path = write_tiled(folder / "early.svs", PIXELS, "jpeg rgb")
    before = helpers()
    with Slide(path, name="a") as slide:
        grid = full(slide, patch_px=32, stride_px=8, scale=scale)
        parts = read_patches(slide, grid, threads=threads)
        next(parts)
        assert 0 < len(helpers() - before) <= threads
        parts.close()
        assert helpers() == before


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("broken", range(0, 35, 3))
def test_a_fault_of_our_own_stops_everything(folder, monkeypatch, threads, broken):
    """An error that is not the file's fault comes through; nothing waits for it forever."""
    path = folder / "fault.svs"
    if not path.exists():
        write_tiled(path, PIXELS, "jpeg rgb", downsamples=(1,))
    read_tile = TiledSource.read_tile

    def faulty(self, level, tile, *arguments, **options):
        if tile == broken:
            raise RuntimeError("a fault")
        return read_tile(self, level, tile, *arguments, **options)

    monkeypatch.setattr(TiledSource, "read_tile", faulty)
    before = helpers()
    with Slide(path, name="a") as slide:
        grid = full(slide, patch_px=32, stride_px=12, scale=1.0)
        with pytest.raises(RuntimeError, match="a fault"):
            collected(slide, grid, threads=threads)
    assert helpers() == before
