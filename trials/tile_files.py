"""Tiles with masks as slides of the library: an image, its truth map and its grids, on disk.

A folder holds ``images`` and ``masks``, files of the same stem. A mask is white where tumour is;
saved as JPEG it is no longer quite black and white, so it is cut at half.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from microtome.errors import InputError, one_line
from microtome.io.atomic import read_json, write_json
from microtome.patches.grid_spec import GridSpec
from microtome.patches.grid_step import write_grid
from microtome.rasters.label_tiff import write_array
from microtome.rasters.labels import NONE, VIABLE
from microtome.slides.inspection import inspect
from microtome.training.batches import Patches
from microtome.training.open_data import open_training_data
from microtome.training.random_placement import Moves

# The files do not say it. No figure depends on it: everything happens at the tile's own px.
SPACING_UM = 0.5
SLIDE_SETTINGS = {"spacing_tolerance": 0.02}
_WHITE = 128
_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes
    ----------
    name : str
        The files' stem.
    path : Path
        The image.
    mask : ndarray of shape (height, width), bool
        Tumour.
    """

    name: str
    path: Path
    mask: np.ndarray

    def pixels(self) -> np.ndarray:
        """RGB, (height, width, 3), uint8."""
        return _open_image(self.path, "RGB")


@dataclass(frozen=True)
class TileFiles:
    """Where the library's files of all tiles lie.

    Attributes
    ----------
    folder : Path
        Holds a folder of each kind of file, and there a file of each tile.
    """

    folder: Path

    def inspected(self, name: str) -> Path:
        """What `microtome.slides.inspection.inspect` found."""
        return self.folder / "inspected" / f"{name}.json"

    def tissue(self, name: str) -> Path:
        """The tissue mask: all of the tile, since what is no tissue is to be learnt too."""
        return self.folder / "tissue" / f"{name}.tif"

    def truth(self, name: str) -> Path:
        """The truth map."""
        return self.folder / "truth" / f"{name}.tif"

    def prepare(self, tile: Tile) -> None:
        """Write all three."""
        row = {"path": tile.path, "spacing_um": SPACING_UM}
        write_json(self.inspected(tile.name), inspect(name=tile.name, row=row, **SLIDE_SETTINGS))
        everywhere = np.ones_like(tile.mask)
        write_array(self.tissue(tile.name), everywhere, spacing_um=SPACING_UM)
        labels = np.where(tile.mask, VIABLE, NONE)
        write_array(self.truth(tile.name), labels, spacing_um=SPACING_UM)

    def grid(self, name: str, spec: GridSpec, *, label_rule: str = "any") -> Path:
        """Write the grid of a tile and say where; see `microtome.patches.grid.label_patches`.

        By the rule 'fraction' a patch is tumour where half of it is.
        """
        path = self.folder / "grids" / spec.name / f"{name}.npz"
        write_grid(
            name=name,
            spec=spec,
            inspected=self.inspected(name),
            tissue=self.tissue(name),
            truth=self.truth(name),
            grid=path,
            slide_settings=SLIDE_SETTINGS,
            label_rule=label_rule,
            min_tumour_fraction=0.5,
        )
        return path

    def patches(
        self,
        names: Sequence[str],
        spec: GridSpec,
        *,
        label_rule: str = "any",
        truths: bool = False,
        moves: Moves | None = None,
    ) -> Patches:
        """Patches of some tiles, read from the images; with `truths` with the class of each px."""
        return open_training_data(
            [self.grid(name, spec, label_rule=label_rule) for name in names],
            [self.inspected(name) for name in names],
            slide_paths=[read_json(self.inspected(name))["path"] for name in names],
            labelled=True,
            workers=1,
            min_tissue_fraction=0,
            slide_settings=SLIDE_SETTINGS,
            truths=[self.truth(name) for name in names] if truths else [],
            moves=moves,
        )


def load_tiles(folder: Path) -> list[Tile]:
    """Find the tiles of a folder, by name.

    Parameters
    ----------
    folder : Path
        Holds ``images`` and ``masks``.

    Raises
    ------
    InputError
        If there are fewer than two, a mask is missing or of another size, a file is no JPEG or PNG
        image, or two tiles are the same picture.
    """
    images = _list_by_stem(folder / "images")
    masks = _list_by_stem(folder / "masks")
    if len(images) < 2:
        raise InputError(
            f"{folder / 'images'} holds {len(images)} tiles (JPEG or PNG); at least two are needed,"
            " to train on one and test on the other"
        )
    tiles, pictures = [], {}
    for name, path in images.items():
        if name not in masks:
            raise InputError(f"tile {name}: {folder / 'masks'} has no mask of it; add one")
        tile = Tile(name, path, _open_image(masks[name], "L") >= _WHITE)
        pixels = tile.pixels()
        if pixels.shape[:2] != tile.mask.shape:
            raise InputError(
                f"tile {name}: the image is {_size(pixels)} px, its mask {_size(tile.mask)} px;"
                " give it the mask that is its own"
            )
        other = pictures.setdefault(pixels.tobytes(), name)
        if other != name:
            raise InputError(
                f"tiles {other} and {name} are the same picture: one would be trained on and the"
                " other tested; leave one out"
            )
        tiles.append(tile)
    return tiles


def leave_one_out(tiles: Sequence[Tile]) -> Iterator[tuple[list[Tile], Tile]]:
    """Each tile once to be tested, with all others to be trained on."""
    for tested in tiles:
        yield [tile for tile in tiles if tile is not tested], tested


def _list_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"the folder {folder} does not exist; tiles are in images and masks")
    paths = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES]
    return {path.stem: path for path in sorted(paths)}


def _open_image(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return np.asarray(image.convert(mode))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({one_line(error)}); copy it again") from error


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"
