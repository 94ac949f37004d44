"""Latents of a slide: every patch once, quantize within half a step, in few files."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn
from torch.nn import functional

from helpers.memory import peak_bytes
from helpers.pictures import break_tile, files_of, grid_of, noise, write_slide
from microtome.compression.encoding import encode_slide, latent_shape, quantize, write_latents
from microtome.compression.latents import Latents, open_latents
from microtome.errors import InputError
from microtome.networks.histocae import HistoCAE
from microtome.patches.grid import Grid
from microtome.slides.slide import Slide

# A slide of 5 x 7 patches of 32 px, the last of which hang over; flat in squares of 4 px.
PATCH_PX = 32
PIXELS = noise(36, 54).repeat(4, axis=0).repeat(4, axis=1)
SIZE_PX = (216, 144)
PLACES = [(r, c) for r in range(5) for c in range(7) if (r + 2 * c) % 6]
GRID = grid_of(PLACES, patch_px=PATCH_PX)


class BlockEncoder(nn.Module):
    """Means of 4 x 4 px, those of a cell of 16 x 16 px as 48 of its 64 channels."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> (B, 64, H / 16, W / 16)."""
        assert not torch.is_grad_enabled()
        means = functional.pixel_unshuffle(functional.avg_pool2d(images, 4), 4)
        return functional.pad(means, (0, 0, 0, 0, 0, 16))


class BlockDecoder(nn.Module):
    """The way back; notes how many patches it was given each time."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, 64, h, w) -> (B, 3, 16 h, 16 w)."""
        assert not torch.is_grad_enabled()
        self.batches.append(len(latents))
        means = functional.pixel_shuffle(latents[:, :48], 4)
        return functional.interpolate(means, scale_factor=4)


class BlockCAE(nn.Module):
    """An autoencoder of HistoCAE's shapes that loses nothing of squares of 4 px."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = BlockEncoder()
        self.decoder = BlockDecoder()


def block_latents(row: int, column: int) -> np.ndarray:
    """Compute the latents of a patch of the slide by hand, shape (2, 2, 64)."""
    padded = np.full((160, 224, 3), 255, np.uint8)
    padded[: SIZE_PX[1], : SIZE_PX[0]] = PIXELS
    patch = padded[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32][::4, ::4] / 255
    found = np.zeros((2, 2, 64))
    # Channel: colour, then row, then column of the square of 4 px in its cell.
    found[..., :48] = patch.reshape(2, 4, 2, 4, 3).transpose(0, 2, 4, 1, 3).reshape(2, 2, 48)
    return found


def write_and_open(
    path: Path,
    latents: np.ndarray,
    grid: Grid = GRID,
    *,
    parts: list[list[int]] | None = None,
    precision: str = "float16",
    size_px: tuple[int, int] = SIZE_PX,
) -> Latents:
    """Write latents (n, h, w, depth) of a grid in parts, and open the store."""
    parts = [list(range(len(grid)))] if parts is None else parts
    write_latents(
        path,
        [(np.array(part, np.int64), latents[part]) for part in parts],
        grid,
        patch_shape=latents.shape[1:],
        size_px=size_px,
        precision=precision,
        origin={"slide": "a"},
    )
    return open_latents(path)


def compressed(path: Path, places: list = PLACES, *, precision: str = "float16") -> Latents:
    """Compress a slide with the autoencoder that loses nothing of squares of 4 px."""
    grid = grid_of(places, patch_px=PATCH_PX)
    store = path.with_suffix(".zarr")
    with Slide(path, name="a") as slide:
        write_latents(
            store,
            encode_slide(BlockCAE(), slide, grid, batch=5),
            grid,
            patch_shape=latent_shape(PATCH_PX),
            size_px=slide.size_px,
            precision=precision,
            origin={"slide": "a"},
        )
    return open_latents(store)


def drawn(n: int, shape: tuple[int, ...] = (2, 2, 64), *, seed: int = 0) -> np.ndarray:
    """Draw latents of n patches; half of them alike, as behind a ReLU."""
    values = np.random.default_rng(seed).normal(size=(n, *shape))
    return np.maximum(values, 0).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    """Write the slide."""
    return write_slide(tmp_path / "a.svs", PIXELS)


@pytest.mark.parametrize("batch", [1, 4, len(PLACES), len(PLACES) - 1, 1000])
def test_every_patch_once(path, batch):
    """Any batch size encodes each patch once, the last, partial batch too."""
    with Slide(path, name="a") as slide:
        parts = list(encode_slide(BlockCAE(), slide, GRID, batch=batch))
    index = np.concatenate([i for i, _ in parts])
    latents = np.concatenate([z for _, z in parts])
    np.testing.assert_array_equal(np.sort(index), np.arange(len(PLACES)))
    expected = np.array([block_latents(*PLACES[i]) for i in index])
    np.testing.assert_allclose(latents, expected, atol=1e-6)
    assert latents.dtype == np.float32
    assert [len(i) for i, _ in parts[:-1]] == [batch] * (len(parts) - 1)


def test_latent_shape_is_that_of_the_encoder():
    """Patches of 48 px have the shape of what the encoder makes of them."""
    with torch.no_grad():
        found = HistoCAE(downsampling="stride").encoder(torch.rand(1, 3, 48, 48))
    assert tuple(found[0].permute(1, 2, 0).shape) == latent_shape(48)


def test_latents_are_those_of_prediction(path):
    """Batch norm does not learn from the slide, so neighbours in a batch do not matter."""
    torch.manual_seed(0)
    cae = HistoCAE(downsampling="stride").train()
    grid = grid_of(PLACES[:6], patch_px=PATCH_PX)
    with Slide(path, name="a") as slide:
        alone = [z for _, z in encode_slide(cae, slide, grid, batch=1)]
        (_, together), *_ = encode_slide(cae.train(), slide, grid, batch=6)
    np.testing.assert_allclose(np.concatenate(alone), together, atol=1e-5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -70000.0])
def test_latents_that_half_precision_cannot_hold_are_told_with_the_place(path, wrong):
    """One such value in one patch is an error that names slide and position."""

    class Broken(BlockEncoder):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            latents = super().forward(images)
            latents[-1, 5, 1, 0] = wrong
            return latents

    cae = BlockCAE()
    cae.encoder = Broken()
    text = "slide a: the latents of the patch at x=96, y=32 are no numbers or beyond 65504"
    with Slide(path, name="a") as slide, pytest.raises(InputError, match=f"^{re.escape(text)}"):
        list(encode_slide(cae, slide, grid_of([(0, 0), (1, 3)], patch_px=PATCH_PX), batch=2))


def test_unreadable_patches_are_absent_and_counted(path):
    """A broken tile costs its patches; the others are stored, the store says how many lack."""
    break_tile(path, row=0, column=1)  # rows 0-1, columns 2-3 of the grid
    latents = compressed(path)
    kept = [(r, c) for r, c in PLACES if r > 1 or c not in (2, 3)]
    assert 0 < len(PLACES) - len(kept) == latents.attributes["unreadable_patches"]
    assert list(zip(latents.grid.row, latents.grid.column, strict=True)) == kept
    expected = np.array([block_latents(*p) for p in kept]).astype(np.float16)
    np.testing.assert_allclose(latents.patches(np.arange(len(kept))), expected, atol=1e-3)


wide = st.floats(-65504, 65504, width=32)
narrow = st.floats(-4, 4, width=32)
close = st.floats(1000, np.float32(1000.01).item(), width=32)


@settings(max_examples=300)
@given(
    st.sampled_from([wide, narrow, close]).flatmap(
        lambda values: arrays(np.float32, (2, 2, 3, 2), elements=values)
    )
)
def test_quantized_within_half_a_step(latents):
    """Whatever the values, none is further off than half a step, but for rounding of floats."""
    levels, low, step = quantize(latents)
    assert (levels.dtype, low.dtype, step.dtype) == (np.uint8, np.float16, np.float16)
    low, step = (a.astype(np.float64)[:, None, None] for a in (low, step))
    found = low + levels * step
    rounding = 2.0**-23 * np.abs(latents).max((1, 2), keepdims=True)
    assert (np.abs(found - latents) <= step / 2 + rounding).all()


@pytest.mark.parametrize("precision", ["float16", "uint8"])
def test_same_bytes_whatever_the_order(tmp_path, precision):
    """Parts in another order, of other sizes and other layout in memory make the same files."""
    latents = drawn(len(PLACES))
    places = list(range(len(PLACES)))
    write_and_open(tmp_path / "a.zarr", latents, precision=precision)
    turned = np.ascontiguousarray(latents.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    parts = [places[20:], places[:3], places[3:20][::-1]]
    write_and_open(tmp_path / "b.zarr", turned, parts=parts, precision=precision)
    assert files_of(tmp_path / "a.zarr") == files_of(tmp_path / "b.zarr")


@pytest.mark.parametrize(("precision", "head_bytes"), [("float16", 0), ("uint8", 4 * 64)])
def test_any_zarr_reader_opens_it(tmp_path, precision, head_bytes):
    """One array, one chunk a patch in shards of no more bytes than need be; 0 beside patches."""
    values = drawn(len(PLACES)) + 1
    latents = write_and_open(tmp_path / "a.zarr", values, precision=precision)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    array = group["latents"]
    assert (array.shape, array.chunks, array.dtype) == ((10, 14, 64), (2, 2, 64), precision)
    whole = array[:].astype(np.float32)
    if precision == "uint8":
        scales = (group[name][:].repeat(2, 0).repeat(2, 1) for name in ("low", "step"))
        low, step = (scale.astype(np.float32) for scale in scales)
        whole = whole * step + low
    expected = np.zeros((10, 14, 64), np.float32)
    for (r, c), patch in zip(PLACES, values, strict=True):
        expected[2 * r : 2 * r + 2, 2 * c : 2 * c + 2] = patch
    np.testing.assert_allclose(whole, expected, atol=0.01)
    assert (whole[expected == 0] == 0).all()
    np.testing.assert_array_equal(group["row"][:], GRID.row)
    assert dict(group.attrs)["slide"] == "a"
    # A shard: the chunks that are there, 16 bytes for each place, a CRC.
    (shard,) = (tmp_path / "a.zarr" / "latents").glob("c.*")
    chunks = latents.n_bytes.sum() - len(PLACES) * (16 + head_bytes)
    assert shard.stat().st_size == chunks + 16 * 32 * 32 + 4


def test_files_stay_few(tmp_path):
    """Of 3 x 3 shards of 70 x 70 patches, those two without a patch are no file."""
    places = [(r, c) for r in range(70) for c in range(70) if (r < 64 or c < 32)]
    grid = grid_of(places, patch_px=16)
    values = drawn(len(places), (1, 1, 4))
    latents = write_and_open(tmp_path / "a.zarr", values, grid, size_px=(1120, 1120))
    assert len(list((tmp_path / "a.zarr" / "latents").glob("c.*"))) == 7
    np.testing.assert_array_equal(
        latents.patches(np.arange(len(places))), values.astype(np.float16)
    )


def test_memory_does_not_grow_with_the_slide(tmp_path):
    """16 384 patches of 4 KB, 67 MB in all, are written in less than 8 MB."""
    side, shape = 128, (4, 4, 64)
    grid = grid_of([(r, c) for r in range(side) for c in range(side)], patch_px=16)
    rng = np.random.default_rng(0)

    def parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for first in range(0, side * side, 128):
            yield np.arange(first, first + 128), rng.random((128, *shape), np.float32)

    path, size_px = tmp_path / "a.zarr", (side * 16, side * 16)
    about = {"patch_shape": shape, "size_px": size_px, "precision": "float16", "origin": {}}
    assert peak_bytes(lambda: write_latents(path, parts(), grid, **about)) < 8e6


def test_a_patch_twice_is_a_fault(tmp_path):
    """The same patch in two parts, or twice in one, is refused and leaves nothing."""
    for parts in ([[0, 1], [1, 2]], [[3, 3]]):
        with pytest.raises(ValueError, match="twice"):
            write_and_open(tmp_path / "a.zarr", drawn(len(PLACES)), parts=parts)
    assert not list(tmp_path.iterdir())


def test_patches_that_overlap_have_no_place(tmp_path):
    """A grid whose patches do not lie beside each other is refused."""
    grid = grid_of(PLACES, patch_px=PATCH_PX, stride_px=16)
    with pytest.raises(ValueError, match="overlap"):
        write_and_open(tmp_path / "a.zarr", drawn(len(PLACES)), grid)
