"""Slides to measure on, laid out as an Aperio scanner does, made once and kept in .cache/.

A slide is assembled from a few hundred distinct tiles that are drawn and coded once: level 0 is
never held as pixels, so 64000 px a side cost seconds. Coarser levels are true reductions of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import library  # noqa: F401 - makes the library importable
import numpy as np
import tifffile
from scipy import ndimage

from microtome.io.atomic import atomic
from tiles import SEED, Coding, draw_tiles

CACHE = Path(__file__).parent / ".cache"
SPACING_UM = 0.5
_REDUCTION = 4  # from level to level
_ABSENT, _GLASS = -1, 0  # in a layout; from 1 on, tissue
_N_GLASS = 16


@dataclass(frozen=True)
class SlideSpec:
    """A slide to make.

    Attributes
    ----------
    name : str
        Of its file.
    side_px : int
        Width and height of level 0.
    coding : Coding
        Of its tiles.
    tissue : float
        Share of its area that is tissue.
    sparse : bool
        Islands of tissue far apart.
    absent : bool
        On a sparse slide, tiles that are far from any tissue are absent from the file.
    levels : int
        How many.
    """

    name: str
    side_px: int
    coding: Coding
    tissue: float = 0.35
    sparse: bool = False
    absent: bool = False
    levels: int = 3

    @property
    def path(self) -> Path:
        """The slide."""
        return CACHE / "slides" / f"{self.name}.svs"

    def tissue_tiles(self) -> np.ndarray:
        """Which tiles of level 0 are tissue, bool of shape (rows, columns)."""
        return np.load(self.path.with_suffix(".npy"))


_YCBCR = Coding(tile_px=256, photometric="ycbcr", quality=85)
_RGB = Coding(tile_px=240, photometric="rgb", quality=70)

DENSE = (
    SlideSpec("ycbcr-256", 40000, _YCBCR),
    SlideSpec("rgb-240", 40000, _RGB),
)
SPARSE, ABSENT = (
    tuple(
        SlideSpec(
            f"{'absent' if absent else 'sparse'}-{k}k",
            k * 1024,
            _YCBCR,
            tissue=0.15,
            sparse=True,
            absent=absent,
            levels=4 if k >= 32 else 3,
        )
        for k in (8, 16, 32, 64)
    )
    for absent in (False, True)
)


def make_slide(spec: SlideSpec) -> Path:
    """Make a slide unless it is there.

    Returns
    -------
    Path
        The SVS; beside it, ``.npy``, which of its tiles are tissue.
    """
    if spec.path.exists():
        return spec.path
    layout = _layout(spec)
    pictures = _Pictures(spec, layout)
    with atomic(spec.path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True) as tiff:
        for level in range(spec.levels):
            side = spec.side_px // _REDUCTION**level
            tables, _ = spec.coding.encode(pictures.blank)
            tiff.write(
                pictures.streams(level),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(spec.coding.tile_px, spec.coding.tile_px),
                photometric=spec.coding.photometric,
                subsampling=(2, 2) if spec.coding.photometric == "ycbcr" else None,
                compression="jpeg",
                # Nothing is compressed here; it keeps tifffile from declaring RGB as YCbCr.
                compressionargs={"outcolorspace": spec.coding.photometric},
                jpegtables=tables,
                description=_description(spec, side),
                metadata=None,
                software=False,
            )
        tiff.close()
        _forget_absent(temporary)
        np.save(spec.path.with_suffix(".npy"), layout > _GLASS)
    return spec.path


class _Pictures:
    """The tiles of all levels of one slide, coded."""

    def __init__(self, spec: SlideSpec, layout: np.ndarray) -> None:
        self._spec, self._layout = spec, layout
        tissue, glass = draw_tiles(spec.coding.tile_px)
        # Layouts hold numbers: glass, then tissue; what is absent is white in coarser levels.
        self.blank = np.full_like(glass[0], 255)
        self._tiles = [self.blank, *glass[:_N_GLASS], *tissue]
        rng = np.random.default_rng(SEED)
        self._chosen = np.where(
            layout > _GLASS,
            rng.integers(1 + _N_GLASS, len(self._tiles), layout.shape),
            rng.integers(1, 1 + _N_GLASS, layout.shape),
        )
        self._chosen[layout == _ABSENT] = 0

    def streams(self, level: int) -> Iterator[bytes]:
        """Streams of the tiles of a level, row by row; absent ones are empty.

        Only level 0 lacks tiles. OpenSlide trusts no coarser tile that lies over an absent one
        and reduces level 0 anew instead, so its overviews of such slides are slow.
        """
        encode = self._spec.coding.encode
        if level == 0:
            coded = [b""] + [encode(tile)[1] for tile in self._tiles[1:]]
            yield from (coded[i] for i in self._chosen.ravel())
            return
        times = _REDUCTION**level
        small = np.stack([_shrink(tile, times) for tile in self._tiles])
        per_tile = self._spec.coding.tile_px // small.shape[1]
        n = -(-self._spec.side_px // times // self._spec.coding.tile_px)
        padding = n * per_tile - len(self._chosen)
        chosen = np.pad(self._chosen, ((0, max(0, padding)), (0, max(0, padding))))
        for row in range(n):
            for column in range(n):
                here = chosen[
                    row * per_tile : (row + 1) * per_tile,
                    column * per_tile : (column + 1) * per_tile,
                ]
                side = per_tile * small.shape[1]
                pixels = small[here].transpose(0, 2, 1, 3, 4).reshape(side, side, 3)
                yield encode(pixels)[1]


def _layout(spec: SlideSpec) -> np.ndarray:
    """What each tile of level 0 is: `_ABSENT`, `_GLASS` or tissue (1)."""
    n = -(-spec.side_px // spec.coding.tile_px)
    rng = np.random.default_rng([SEED, n])
    if not spec.sparse:
        noise = ndimage.gaussian_filter(rng.standard_normal((n, n)), n / 14)
        # Scanners leave a margin; it also keeps patches off the edge.
        noise[[0, 1, -2, -1]] = noise[:, [0, 1, -2, -1]] = -np.inf
        return (noise > np.quantile(noise, 1 - spec.tissue)).astype(int)
    # Islands on a jittered lattice of 4 by 4, all over the slide, with the same share each.
    y, x = np.mgrid[:n, :n] + 0.5
    radius = n * np.sqrt(spec.tissue / (16 * np.pi))
    places = (np.mgrid[:4, :4].reshape(2, 16).T + rng.uniform(0.35, 0.65, (16, 2))) * n / 4
    tissue = np.zeros((n, n), bool)
    for row, column in places:
        tissue |= np.hypot(y - row, x - column) < radius
    if not spec.absent:
        return tissue.astype(int)
    near = ndimage.binary_dilation(tissue, iterations=2)
    return np.where(tissue, 1, np.where(near, _GLASS, _ABSENT))


def _shrink(tile: np.ndarray, times: int) -> np.ndarray:
    side = len(tile) // times
    return tile.reshape(side, times, side, times, 3).mean((1, 3)).round().astype(np.uint8)


def _description(spec: SlideSpec, side_px: int) -> str:
    whole, tile = f"{spec.side_px}x{spec.side_px}", spec.coding.tile_px
    size = "" if side_px == spec.side_px else f" -> {side_px}x{side_px}"
    return (
        f"Aperio Image Library v12.0.0\r\n{whole} [0,0 {whole}] ({tile}x{tile}){size}"
        f" JPEG/RGB Q={spec.coding.quality}|AppMag = {10 / SPACING_UM:g}|MPP = {SPACING_UM:.4f}"
    )


def _forget_absent(path: Path) -> None:
    """Give tiles of no bytes no place either, as scanners do."""
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for page in tiff.pages:
            offsets = np.where(np.array(page.databytecounts) == 0, 0, page.dataoffsets)
            tag = page.tags["TileOffsets"]
            tiff.filehandle.seek(tag.valueoffset)
            tiff.filehandle.write(offsets.astype(f"<u{tag.valuebytecount // tag.count}").tobytes())
