"""The grid of patches of a slide: their places, and the tissue and tumour in each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.patches.grid_spec import GridSpec
from microtome.rasters.bands import ReadRows, band_rows, bands

# Rounding errors of the sums below: far less than one pixel's share of a patch of 8192 px.
_ROUNDING = 1e-9
UNKNOWN = -1

# ``rows(first_row, n_rows)`` of a mask, bool or 0/1, its height and width, and level-0 px per px.
Mask = tuple[ReadRows, tuple[int, int], float]


@dataclass(frozen=True)
class Grid:
    """The patches of one slide that contain tissue.

    Attributes
    ----------
    row, column : ndarray of shape (n_patches,), int32
        Place in the full lattice, row by row.
    tissue_fraction : ndarray of shape (n_patches,), float32
        Share of the patch's area that is tissue.
    tumour_fraction : ndarray of shape (n_patches,), float32
        Share that is viable tumour; NaN if the slide has no annotation.
    label : ndarray of shape (n_patches,), int8
        1 tumour, 0 not, -1 unknown.
    scale : float
        Level-0 px per patch px.
    spacing_um : float
        The real µm per patch px.
    patch_px, stride_px : int
        Side and stride in patch px.
    """

    row: np.ndarray
    column: np.ndarray
    tissue_fraction: np.ndarray
    tumour_fraction: np.ndarray
    label: np.ndarray
    scale: float
    spacing_um: float
    patch_px: int
    stride_px: int

    def __len__(self) -> int:
        return len(self.row)

    @property
    def x_px(self) -> np.ndarray:
        """Left edges in level-0 px, shape (n_patches,), float64."""
        return self.column * (self.stride_px * self.scale)

    @property
    def y_px(self) -> np.ndarray:
        """Upper edges in level-0 px, shape (n_patches,), float64."""
        return self.row * (self.stride_px * self.scale)

    def subset(self, keep: np.ndarray) -> "Grid":
        """Select the patches given by `keep`, a bool mask or indices."""
        values = vars(self).items()
        return Grid(**{k: v[keep] if isinstance(v, np.ndarray) else v for k, v in values})

    def save(self, path: str | Path) -> None:
        """Write the grid as NPZ."""
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def load(cls, path: str | Path) -> "Grid":
        """Read a grid that `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        return cls(**{k: v if v.ndim else v.item() for k, v in values.items()})


def count_patches(size_px: int, *, patch_px: float, stride_px: float) -> int:
    """Count the patches, one every `stride_px`, that cover `size_px`; the last may hang over.

    Examples
    --------
    >>> count_patches(101, patch_px=40, stride_px=30)
    4
    """
    return max(0, int(np.ceil((size_px - patch_px) / stride_px))) + 1


def measure_windows(
    mask: Mask, *, window_px: float, stride_px: float, row: int, n_columns: int
) -> np.ndarray:
    """Share of each window in one row of a lattice that a mask covers, exact for parts of pixels.

    Windows have a side and a stride in level-0 px; parts beyond the mask's edge count as uncovered.
    The result is an ndarray of shape (n_columns,), float64.
    """
    rows, (height, width), scale = mask
    window, stride = window_px / scale, stride_px / scale
    top, bottom = min(row * stride, height), min(row * stride + window, height)
    first, last = int(np.floor(top)), int(np.ceil(bottom))
    column_sums = np.zeros(width)
    for start, n in bands(last - first, band_rows(width)):
        pixel = np.arange(first + start, first + start + n)
        weight = np.minimum(pixel + 1, bottom) - np.maximum(pixel, top)
        band = rows(int(pixel[0]), n)
        whole = weight == 1
        column_sums += np.count_nonzero(band[whole], axis=0)
        column_sums += weight[~whole] @ band[~whole]
    sums = np.concatenate([[0.0], np.cumsum(column_sums)])
    edges = np.arange(width + 1)
    left = np.clip(np.arange(n_columns) * stride, 0, width)
    right = np.clip(np.arange(n_columns) * stride + window, 0, width)
    return (np.interp(right, edges, sums) - np.interp(left, edges, sums)) / window**2


def label_patches(
    tumour_fraction: np.ndarray, *, rule: str, min_tumour_fraction: float
) -> np.ndarray:
    """Label patches by their share of viable tumour, which is NaN where unknown.

    By the rule 'fraction' it is tumour from `min_tumour_fraction` on (HistoCAE: 0.3); by 'any' one
    pixel is enough (generalized framework). The result is an ndarray of shape (n_patches,), int8:
    1 tumour, 0 not, -1 unknown.

    Examples
    --------
    >>> label_patches(np.array([0.1, 0.3, np.nan]), rule="fraction", min_tumour_fraction=0.3)
    array([ 0,  1, -1], dtype=int8)
    """
    least = min_tumour_fraction - _ROUNDING if rule == "fraction" else _ROUNDING
    label = (tumour_fraction >= least).astype(np.int8)
    label[np.isnan(tumour_fraction)] = UNKNOWN
    return label


def make_grid(
    spec: GridSpec,
    *,
    name: str,
    size_px: tuple[int, int],
    scale: float,
    spacing_um: float,
    tissue: Mask,
    truth: Mask | None,
    label_rule: str,
    min_tumour_fraction: float,
) -> Grid:
    """Lay a grid over a slide and keep each patch that contains any tissue.

    The masks, of tissue and of viable tumour if it is known, are read from the top down, for one
    row of patches at a time. `size_px` are width and height of level 0; `scale` and `spacing_um`
    what `spec.spacing_um` really is on this slide, in level-0 px and in µm per patch px. Patches
    are labelled by `label_patches`. Raises InputError if no patch contains tissue.

    Examples
    --------
    A slide of 64 x 32 px with tissue in its left half, its mask at 16 level-0 px per px:

    >>> mask = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)
    >>> tissue = (lambda first, n: mask[first : first + n], mask.shape, 16)
    >>> spec = GridSpec(spacing_um=1.0, patch_px=16, stride_px=8)
    >>> grid = make_grid(spec, name="a", size_px=(64, 32), scale=2.0, spacing_um=1.0,
    ...                  tissue=tissue, truth=None, label_rule="any", min_tumour_fraction=0)
    >>> grid.x_px, grid.tissue_fraction, grid.label
    (array([ 0., 16.]), array([1. , 0.5], dtype=float32), array([-1, -1], dtype=int8))
    """
    window, stride = spec.patch_px * scale, spec.stride_px * scale
    n_columns, n_rows = (count_patches(n, patch_px=window, stride_px=stride) for n in size_px)
    lattice = {"window_px": window, "stride_px": stride, "n_columns": n_columns}
    found = []
    for row in range(n_rows):
        share = measure_windows(tissue, row=row, **lattice)
        column = np.flatnonzero(share > _ROUNDING)
        if len(column):
            tumour = np.full(n_columns, np.nan)
            if truth:
                tumour = measure_windows(truth, row=row, **lattice)
            found.append((np.full(len(column), row), column, share[column], tumour[column]))
    if not found:
        raise InputError(f"slide {name}: no patch of {spec.name} holds tissue")
    row, column, share, tumour = (np.concatenate(part) for part in zip(*found, strict=True))
    return Grid(
        row=row.astype(np.int32),
        column=column.astype(np.int32),
        tissue_fraction=share.astype(np.float32),
        tumour_fraction=tumour.astype(np.float32),
        label=label_patches(tumour, rule=label_rule, min_tumour_fraction=min_tumour_fraction),
        scale=scale,
        spacing_um=spacing_um,
        patch_px=spec.patch_px,
        stride_px=spec.stride_px,
    )
