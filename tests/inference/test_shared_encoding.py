"""Encode once: the probabilities of window by window, whatever the grid, with less work."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from helpers.pictures import TILE_PX, break_tile, grid_of, noise, write_slide
from microtome.errors import InputError
from microtome.inference import shared_encoding as encode_once
from microtome.inference.scoring import score
from microtome.inference.shared_encoding import score_shared, shares_latents
from microtome.networks.histocae import HistoCAEClassifier
from microtome.patches.grid import Grid, count_patches
from microtome.slides.slide import Slide

WIDTH_PX, HEIGHT_PX = 420, 300
# Each block of 60 px of another brightness, so that windows differ.
PIXELS = (
    noise(HEIGHT_PX, WIDTH_PX)
    * np.random.default_rng(1).random((5, 7, 3)).repeat(60, axis=0).repeat(60, axis=1)
).astype(np.uint8)
PATCH_PX = 96
# Regions of 208 px a side with strides of 16, of 192 with 32, of 192 with 48, of 176 with 80.
REGION_PX = 208


def settled(*, patch_px: int = PATCH_PX, **settings) -> HistoCAEClassifier:
    """Make a classifier as training leaves it: batch norms of any scale, sign and statistics."""
    torch.manual_seed(0)
    settings = {"head": "light", "downsampling": "stride", "border_latents": 2} | settings
    model = HistoCAEClassifier(patch_px=patch_px, dropout=0.5, **settings)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            # No channel dies: a batch norm would amplify rounding there.
            nn.init.kaiming_normal_(layer.weight)
            nn.init.constant_(layer.bias, 0.7)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, -0.7, 0.7)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            layer.momentum = None  # plain means
    bright = torch.rand(24, 3, 1, 1)
    with torch.no_grad():
        for part in (bright * torch.rand(24, 3, patch_px, patch_px)).split(8):
            model(part)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> HistoCAEClassifier:
    """Give a classifier that shares its latents."""
    return settled()


def lattice_of(stride_px: int, *, scale: int = 1, holes: bool = True, patch_px: int = PATCH_PX):
    """Lay a lattice over the whole slide, over its edges too; with holes, two of seven lack."""
    n_columns, n_rows = (
        count_patches(n // scale, patch_px=patch_px, stride_px=stride_px)
        for n in (WIDTH_PX, HEIGHT_PX)
    )
    places = [(r, c) for r in range(n_rows) for c in range(n_columns)]
    kept = [p for p in places if not holes or (3 * p[0] + 5 * p[1]) % 7 > 1]
    return grid_of(kept, patch_px=patch_px, stride_px=stride_px, scale=float(scale))


def block_of(n_rows: int, n_columns: int, *, stride_px: int = 16, **settings) -> Grid:
    """Lay windows side by side, in the upper left corner."""
    return grid_of([*np.ndindex(n_rows, n_columns)], patch_px=96, stride_px=stride_px, **settings)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Write the slide."""
    return write_slide(tmp_path_factory.mktemp("slide") / "a.svs", PIXELS, downsamples=(1,))


def shared(path, model: nn.Module, grid: Grid, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Score a grid; give the windows' indices and probabilities."""
    settings = {"region_px": REGION_PX} | settings
    with Slide(path, name="a") as slide:
        parts = list(score_shared(model, slide, grid, **settings))
    for _, maps in parts:
        assert maps.keys() == {"probability"}
        assert maps["probability"].dtype == np.float32
    index = np.concatenate([i for i, _ in parts])
    return index, np.concatenate([maps["probability"] for _, maps in parts])


def one_by_one(model: nn.Module, grid: Grid, pixels: np.ndarray = PIXELS) -> np.ndarray:
    """Put each window through the whole network, cut from the picture on white."""
    padded = np.pad(pixels, ((0, 512), (0, 512), (0, 0)), constant_values=255)
    side = grid.patch_px
    corners = zip(grid.row * grid.stride_px, grid.column * grid.stride_px, strict=True)
    windows = np.stack([padded[y : y + side, x : x + side] for y, x in corners])
    images = torch.from_numpy(windows).movedim(-1, 1).float() / 255
    with torch.inference_mode():
        logits = torch.cat([model(part) for part in images.split(16)])
    return logits.double().softmax(dim=1)[:, 1].numpy()[:, None, None]


def require_equal(found: tuple[np.ndarray, np.ndarray], expected: np.ndarray) -> None:
    """Every window once, with its own probability; and they do differ."""
    index, probability = found
    np.testing.assert_array_equal(np.sort(index), np.arange(len(expected)))
    np.testing.assert_allclose(probability, expected[index], rtol=0, atol=1e-6)
    assert len(expected) < 3 or expected.std() > 3e-3


@pytest.fixture
def reads(monkeypatch) -> list[Grid]:
    """Note which grids are read."""
    noted = []
    read = encode_once.read_patches

    def noting(slide: Slide, grid: Grid, **settings):
        noted.append(grid)
        return read(slide, grid, **settings)

    monkeypatch.setattr(encode_once, "read_patches", noting)
    return noted


@pytest.mark.parametrize("stride_px", [16, 32, 48, 80])
@pytest.mark.parametrize("downsampling", ["stride", "max-pool"])
def test_equal_to_window_by_window(path, stride_px, downsampling):
    """With holes and over the edges: each window has the probability that it has alone."""
    model = settled(downsampling=downsampling)
    grid = lattice_of(stride_px)
    require_equal(shared(path, model, grid), one_by_one(model, grid))


@pytest.fixture(scope="module")
def alone(model) -> np.ndarray:
    """Probabilities of all windows of the densest lattice, each scored alone."""
    return one_by_one(model, lattice_of(16, holes=False))


@pytest.mark.parametrize("region_px", [50, 96, 128, 207, 208, 300, 2048])
def test_equal_for_regions_of_any_size(path, model, alone, region_px):
    """From less than a window to more than the slide."""
    grid = lattice_of(16, holes=False)
    require_equal(shared(path, model, grid, region_px=region_px), alone)


@pytest.mark.parametrize(
    ("of_model", "grid", "settings"),
    [
        ({"head": "paper"}, lattice_of(48), {}),
        ({"patch_px": 128, "border_latents": 3}, lattice_of(32, patch_px=128), {}),
        ({}, lattice_of(16), {"threads": 2}),
        ({}, grid_of([(r, 5) for r in range(12)], patch_px=96, stride_px=16), {}),
    ],
    ids=["dense layers over all latents", "more latents dropped", "reading ahead", "one column"],
)
def test_equal_for_other_models_and_grids(path, of_model, grid, settings):
    """What matters is that padding does not reach the head; all else changes nothing."""
    model = settled(**of_model)
    require_equal(shared(path, model, grid, **settings), one_by_one(model, grid))


def test_the_head_takes_windows_in_parts(path, model, monkeypatch):
    """So that copies of latents stay few; each window keeps its own logits."""
    monkeypatch.setattr(encode_once, "_HEAD_WINDOWS", 10)
    grid = lattice_of(32)
    require_equal(shared(path, model, grid), one_by_one(model, grid))


def test_batch_norms_are_folded(path, model, monkeypatch):
    """Half of the encoder's time on a CPU."""
    noted = []
    fold = encode_once.fold_batch_norms
    monkeypatch.setattr(encode_once, "fold_batch_norms", lambda x: noted.append(x) or fold(x))
    shared(path, model, lattice_of(80))
    assert noted == ([] if torch.cuda.is_available() else [model.encoder])


def test_equal_at_half_the_resolution(path, model):
    """Patches of means of 2 x 2 px."""
    grid = lattice_of(16, scale=2)
    means = PIXELS.reshape(HEIGHT_PX // 2, 2, WIDTH_PX // 2, 2, 3).mean((1, 3))
    halved = np.floor(means + 0.5).astype(np.uint8)
    require_equal(shared(path, model, grid, region_px=144), one_by_one(model, grid, halved))


def test_equal_where_the_slide_is_resampled(path, model, reads):
    """Interpolated px depend on where a read begins, so windows are read as ever, one by one."""
    grid = block_of(6, 9, scale=1.3)
    index, probability = shared(path, model, grid)
    assert [len(read) for read in reads] == [0, len(grid)]
    with Slide(path, name="a") as slide:
        by_window = {"m": nn.Sequential(model)}  # no HistoCAE, as far as the scoring can see
        for plain, maps in score(by_window, slide, grid, batch=7, map_um=8.0):
            place = np.argsort(index)[plain]
            np.testing.assert_allclose(probability[place], maps["probability"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "downsamples"),
    [(3.0, [1.0, 2.0]), (1.5, [1.0, 1.5]), (0.5, [1.0]), (2.0, [1.0, 1.9])],
)
def test_only_whole_px_are_shared(scale, downsamples):
    """Half px, of level 0 or of the level that is read, would be interpolated."""

    def is_whole(scale: float, downsamples: list[float]) -> bool:
        level = max([i for i, d in enumerate(downsamples) if d <= scale], default=0)
        slide = SimpleNamespace(downsamples=downsamples, level_for=lambda _: level)
        return encode_once.in_whole_px(slide, grid_of([(0, 0)], patch_px=96, scale=scale))

    assert not is_whole(scale, downsamples)
    assert is_whole(3.0, [1.0])


def test_what_windows_share_is_read_once(path, model, reads):
    """A lattice without holes is read as regions, by `score` too, and no window alone."""
    shared(path, model, block_of(8, 16))
    found = [(len(read), read.patch_px, read.stride_px) for read in reads]
    assert found == [(2, 208, 128), (0, 96, 16)]
    np.testing.assert_array_equal(reads[0].x_px, [0, 128])
    reads.clear()
    with Slide(path, name="a") as slide:
        assert len(list(score({"m": model}, slide, block_of(8, 16), map_um=8.0))) == 1
    assert [len(read) for read in reads] == [1, 0]


def test_few_windows_are_read_alone(path, model, reads):
    """A column of three windows is less to encode than the region around it; 64 windows are not."""
    column = [(r, 9) for r in range(8, 11)]
    grid = grid_of([*np.ndindex(8, 8), *column], patch_px=96, stride_px=16)
    require_equal(shared(path, model, grid), one_by_one(model, grid))
    assert [len(read) for read in reads] == [1, 3]
    np.testing.assert_array_equal(reads[1].column, [9, 9, 9])


def test_the_white_of_every_window_is_noted(path, model):
    """In regions and alone: the share of px of the window itself."""
    grid = grid_of([*np.ndindex(8, 8), (8, 9)], patch_px=96, stride_px=16)
    with Slide(path, name="a") as slide:
        parts = list(score({"m": model}, slide, grid, map_um=8.0, white_from=100))
    index = np.concatenate([i for i, _ in parts])
    np.testing.assert_array_equal(np.sort(index), np.arange(65))
    places = zip(grid.row[index] * 16, grid.column[index] * 16, strict=True)
    white = (PIXELS >= 100).all(-1)
    expected = np.float32([white[y : y + 96, x : x + 96].mean() for y, x in places])
    found = np.concatenate([maps["white"] for _, maps in parts])
    np.testing.assert_array_equal(found[:, 0, 0], expected)
    assert len(set(expected)) > 50


def test_a_slide_smaller_than_a_window(tmp_path, model):
    """What hangs over is white."""
    pixels = noise(50, 70)
    path = write_slide(tmp_path / "a.svs", pixels, downsamples=(1,))
    grid = block_of(1, 1)
    require_equal(shared(path, model, grid), one_by_one(model, grid, pixels))


def test_a_broken_tile_costs_only_its_windows(tmp_path, model, alone):
    """A region that cannot be read is read window by window."""
    path = write_slide(tmp_path / "a.svs", PIXELS, downsamples=(1,))
    break_tile(path, row=1, column=2)
    grid = lattice_of(16, holes=False)
    x, y = grid.x_px, grid.y_px
    lost = (x < 3 * TILE_PX) & (x + 96 > 2 * TILE_PX) & (y < 2 * TILE_PX) & (y + 96 > TILE_PX)
    index, probability = shared(path, model, grid)
    np.testing.assert_array_equal(np.sort(index), np.flatnonzero(~lost))
    np.testing.assert_allclose(probability, alone[index], rtol=0, atol=1e-6)


class Limit(nn.Module):
    """Runs out of memory for more images than so many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pass them on."""
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return images


def limited(most: int) -> HistoCAEClassifier:
    """Make a classifier whose encoder takes at most so many images."""
    model = settled()
    model.encoder = nn.Sequential(Limit(most), *model.encoder)
    return model


@pytest.mark.parametrize(
    ("grid", "steps"),
    [
        (lattice_of(80, holes=False), ["2 regions to 1"]),
        (
            grid_of([(0, 5 * c) for c in range(6)], patch_px=96, stride_px=16),
            ["7 patches to 3", "3 patches to 1"],
        ),
    ],
    ids=["regions of 176 px", "single windows"],
)
def test_fewer_at_a_time_where_memory_ends(path, model, caplog, grid, steps):
    """They are halved down to what fits, and said to be."""
    require_equal(shared(path, limited(1), grid, region_px=255), one_by_one(model, grid))
    said = [record.getMessage().partition(";")[0] for record in caplog.records]
    does_not_fit = " do not fit into the memory of the GPU: going on with "
    assert said == [step.replace(" to ", does_not_fit) for step in steps]


@pytest.mark.parametrize(
    ("n", "what", "key"), [(8, "region", "region_px"), (1, "patch", "patch_px of the model")]
)
def test_not_even_one_fits(path, n, what, key):
    """Out of memory with a single one: an error that says what to lower."""
    text = rf"^a single {what} does not fit into the memory of the GPU; lower {key}$"
    with pytest.raises(InputError, match=text):
        shared(path, limited(0), block_of(n, n))


@pytest.mark.parametrize(
    ("patch_px", "stride_px", "expected"),
    [
        (96, 16, True),
        (96, 80, True),
        (96, 96, False),
        (96, 112, False),
        (96, 24, False),
        (96, 8, False),
        (104, 16, False),
    ],
)
def test_needs_whole_latents_and_overlap(model, patch_px, stride_px, expected):
    """Windows overlap, and lie on latent px."""
    grid = grid_of([(0, 0)], patch_px=patch_px, stride_px=stride_px)
    assert shares_latents(model, grid) is expected


@pytest.mark.parametrize("border_latents", [None, 0, 1])
def test_needs_latents_that_padding_does_not_reach(border_latents):
    """Only a HistoCAE has them, and only if it drops as many as padding reaches."""
    others = nn.Linear(1, 1) if border_latents is None else settled(border_latents=border_latents)
    assert not shares_latents(others, lattice_of(16))


@pytest.mark.parametrize("most", [1, 2])
def test_a_compiled_encoder_is_asked_for_one_shape(path, model, monkeypatch, most):
    """Whatever is left over at the end, regions come to it in batches of one size."""
    shapes = []

    def compiled(network: nn.Module, **_: object):
        def run(images: torch.Tensor) -> torch.Tensor:
            shapes.append(tuple(images.shape))
            return network(images)

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    # Three regions.
    grid = block_of(2, 6, stride_px=80)
    found = shared(path, model, grid, region_px={1: 176, 2: 255}[most], compiled=True)
    require_equal(found, one_by_one(model, grid))
    assert set(shapes) == {(most, 3, 176, 176)}
