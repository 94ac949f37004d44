"""Tiny slides, grids and patch stores that the tests are made of."""

from pathlib import Path

import numpy as np
import tifffile

from helpers.slide_files import write_tiled
from microtome.patches.grid import Grid
from microtome.patches.store import write_patches

TILE_PX = 64


def noise(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Draw RGB noise: no two places look alike, so a pixel off by one shows."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """Draw colours that change slowly, which JPEG hardly alters."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / 90 + i) * np.cos(y / 70 - i) for i in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def shrunk(pixels: np.ndarray, by: int) -> np.ndarray:
    """Average blocks of `by` x `by` px, float; what does not fill a block is cut off."""
    height, width = (side // by for side in pixels.shape[:2])
    cut = pixels[: height * by, : width * by].astype(float)
    return cut.reshape(height, by, width, by, 3).mean((1, 3))


def write_slide(
    path: Path,
    pixels: np.ndarray,
    *,
    spacing_um: float | None = 0.5,
    downsamples: tuple[int, ...] = (1, 4),
) -> Path:
    """Write a tiled pyramid without loss that OpenSlide takes for an Aperio scan."""
    spacing = "" if spacing_um is None else f"|MPP = {spacing_um:g}"
    text = f"Aperio Image Library v12.0.0|AppMag = 20{spacing}"
    tile = (TILE_PX, TILE_PX)
    return write_tiled(
        path, pixels, "deflate", tile=tile, downsamples=downsamples, description=text
    )


def files_of(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, by their path in it."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def break_tile(path: Path, *, row: int, column: int) -> None:
    """Overwrite one tile of level 0 with bytes that cannot be decoded."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        tile = row * -(-page.imagewidth // TILE_PX) + column
        offset, count = page.dataoffsets[tile], page.databytecounts[tile]
    content = bytearray(path.read_bytes())
    content[offset : offset + count] = b"\xff" * count
    path.write_bytes(content)


def grid_of(
    places: list[tuple[int, int]],
    *,
    patch_px: int,
    stride_px: int | None = None,
    scale: float = 1.0,
    labels: list[int] | None = None,
) -> Grid:
    """Make a grid of patches at (row, column) of the lattice, all of them tissue."""
    row, column = np.array(places, np.int32).reshape(-1, 2).T
    label = np.zeros(len(row), np.int8) if labels is None else np.array(labels, np.int8)
    return Grid(
        row=row,
        column=column,
        tissue_fraction=np.ones(len(row), np.float32),
        tumour_fraction=np.where(label < 0, np.nan, label).astype(np.float32),
        label=label,
        scale=scale,
        spacing_um=0.5 * scale,
        patch_px=patch_px,
        stride_px=stride_px or patch_px,
    )


def write_store(
    path: Path,
    pixels: np.ndarray,
    labels: list[int],
    *,
    codec: str = "raw",
    spacings_um: tuple[float, ...] = (),
) -> Path:
    """Write patches (n, side, side, 3) with labels as the store of the slide `path` names.

    With further spacings the patches are (n, 1 + further, side, side, 3).
    """
    places = [(0, i) for i in range(len(pixels))]
    write_patches(
        path,
        [(np.arange(len(pixels)), pixels)],
        grid_of(places, patch_px=pixels.shape[-2], labels=labels),
        origin={"slide": path.stem},
        codec=codec,
        jpeg_quality=90,
        threads=1,
        white_from=256,
        max_white_fraction=0.5,
        spacings_um=spacings_um,
    )
    return path


def stained(labels: list[int], *, side: int = 16, seed: int = 0) -> np.ndarray:
    """Draw a noisy patch for each label, tumour (1) more blue: something that can be learned."""
    rng = np.random.default_rng(seed)
    base = np.array([[200, 120, 160], [120, 90, 200]])[np.array(labels, int).clip(0, 1)]
    noisy = base[:, None, None] + rng.integers(-40, 41, (len(labels), side, side, 3))
    return noisy.clip(0, 255).astype(np.uint8)
