"""The scores of a slide's patches as a Zarr v3 store."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.parallel.prefetch import map_ahead
from microtome.patches.grid import Grid
from microtome.patches.zarr_groups import create_store, open_store, read_grid, write_columns
from microtome.rasters.bands import bands

# A chunk is a file: large enough that they are few, small enough to be held.
_CHUNK_BYTES = 2**22
_CHUNKS_HELD = 4
_MOST_LIKELY = 0.5  # the more likely of two classes


def write_scores(
    path: str | Path,
    parts: Iterable[tuple[np.ndarray, Mapping[str, np.ndarray]]],
    grid: Grid,
    *,
    origin: dict,
) -> None:
    """Write the maps of a slide's patches, as they come, while the next ones are computed.

    Each of the `parts` is (index, maps): which patches of the grid, in any order, and by name
    (``probability``, ``white``, others) their maps (n, h, w), float32: one value for a patch (h = w
    = 1) or many. All parts have the same names and shapes; patches of which there is no part have
    NaN. `origin`, where the scores came from, becomes the store's attributes.
    """
    is_scored = np.zeros(len(grid), bool)
    with atomic(path) as temporary:
        group = create_store(temporary, grid, origin)
        write_columns(group, grid)
        arrays: dict[str, _Chunks] = {}

        def put(part: tuple[np.ndarray, Mapping[str, np.ndarray]]) -> None:
            index, maps = part
            if is_scored[index].any() or len(np.unique(index)) != len(index):
                raise ValueError("a patch was scored twice")
            is_scored[index] = True
            for name, values in maps.items():
                if name not in arrays:
                    arrays[name] = _Chunks(group, name, (len(grid), *values.shape[1:]))
                arrays[name].put(index, values)

        for _ in map_ahead(put, parts, workers=1):
            pass
        for name in () if arrays else (PROBABILITY, WHITE):
            arrays[name] = _Chunks(group, name, (len(grid), 1, 1))
        for array in arrays.values():
            array.write_down()
        group.attrs["unreadable_patches"] = int(np.count_nonzero(~is_scored))


class _Chunks:
    """An array of maps while it is filled: the chunks last touched are in memory."""

    def __init__(self, group: zarr.Group, name: str, shape: tuple[int, int, int]) -> None:
        self._size = min(max(1, shape[0]), max(1, _CHUNK_BYTES // (4 * shape[1] * shape[2])))
        self._array = group.create_array(
            name,
            shape=shape,
            dtype=np.float32,
            chunks=(self._size, *shape[1:]),
            fill_value=np.nan,
        )
        self._held: OrderedDict[int, np.ndarray] = OrderedDict()

    def put(self, index: np.ndarray, probability: np.ndarray) -> None:
        """Note the maps of some patches."""
        for number in np.unique(index // self._size).tolist():
            chosen = index // self._size == number
            self._chunk(number)[index[chosen] % self._size] = probability[chosen]

    def write_down(self, *, to: int = 0) -> None:
        """Write what is in memory, least recently touched first, until `to` chunks are left."""
        while len(self._held) > to:
            number, chunk = self._held.popitem(last=False)
            first = number * self._size
            self._array[first : first + len(chunk)] = chunk

    def _chunk(self, number: int) -> np.ndarray:
        if number not in self._held:
            self.write_down(to=_CHUNKS_HELD - 1)
            first = number * self._size
            self._held[number] = self._array[first : first + self._size]
        self._held.move_to_end(number)
        return self._held[number]


@dataclass(frozen=True)
class Scores:
    """The scores of the patches of a grid, (n_patches, h, w), float32, and where they came from.

    `probability` is NaN throughout a patch that could not be read; `aleatoric` and `epistemic` are
    variances over test-time augmentations and over the members of an ensemble, if there were any;
    `white` (n_patches, 1, 1) is the share of white px, where that was noted.
    """

    grid: Grid
    probability: zarr.Array | np.ndarray
    attributes: dict
    aleatoric: zarr.Array | None = None
    epistemic: zarr.Array | None = None
    white: zarr.Array | np.ndarray | None = None

    def are_kept(self, *, min_tissue_fraction: float, max_white_fraction: float) -> np.ndarray:
        """Find the patches that would be stored to be learnt from: bool, shape (n_patches,).

        They have more tissue than the one share and less white than the other, which from 1 on
        leaves none out, as in `microtome.patches.store.write_patches`. InputError if the scores do
        not say how white the patches are.
        """
        kept = self.grid.tissue_fraction > min_tissue_fraction
        if max_white_fraction < 1:
            if self.white is None:
                raise InputError(
                    f"scores of slide {self.attributes.get('slide')} do not say how white their"
                    " patches are; delete them and run again"
                )
            kept &= self.white[:, 0, 0] < max_white_fraction
        return kept

    def tumour_shares(self) -> np.ndarray:
        """Share of each patch's map, float64, with a probability of 0.5 or more, or NaN."""
        n, height, width = self.probability.shape
        found = np.empty(n)
        for first, n_maps in bands(n, max(1, _CHUNK_BYTES // (4 * height * width))):
            maps = self.probability[first : first + n_maps]
            share = (maps >= _MOST_LIKELY).mean((1, 2))
            found[first : first + n_maps] = np.where(np.isnan(maps[:, 0, 0]), np.nan, share)
        return found


def open_scores(path: str | Path, *, member: str | None = None) -> Scores:
    """Open a store that `write_scores` wrote; `member` for those of one member of an ensemble."""
    group = open_store(path)
    found = {
        part: group.get(of_member(member, part) if member else part)
        for part in (PROBABILITY, ALEATORIC, EPISTEMIC)
    }
    found[WHITE] = group.get(WHITE)
    if found[PROBABILITY] is None:
        raise InputError(f"{path} holds no scores of {member}; delete it and run again")
    return Scores(read_grid(group), attributes=dict(group.attrs), **found)


PROBABILITY, ALEATORIC, EPISTEMIC, WHITE = "probability", "aleatoric", "epistemic", "white"


def of_member(name: str, part: str) -> str:
    """The name of the map of one member of an ensemble."""
    return f"{name}.{part}"
