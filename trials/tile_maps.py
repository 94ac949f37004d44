"""The maps of one tile by one network or several, and how right they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from microtome.calibration.pixel_counts import count_pixels
from microtome.calibration.temperature import expected_calibration_error
from microtome.evaluation.metrics import overlap_metrics, pixel_confusion
from microtome.heatmaps.codes import decode
from microtome.heatmaps.step import open_stitcher
from microtome.heatmaps.stitching import Stitcher
from microtome.inference.score_store import write_scores
from microtome.inference.scoring import score
from microtome.io.atomic import read_json
from microtome.patches.grid import Grid
from microtome.patches.grid_spec import GridSpec
from microtome.rasters.label_tiff import open_raster, write_array, write_raster
from microtome.rasters.labels import NONE, VIABLE
from microtome.slides.inspection import open_inspected
from microtome.uncertainty.error_detection import auroc
from tile_files import SLIDE_SETTINGS, SPACING_UM, TileFiles

THRESHOLD = 0.5
ALL = "both"


@dataclass(frozen=True)
class Maps:
    """The maps of a tile by one network, or by several together.

    Attributes
    ----------
    probability : ndarray of shape (height, width), float32
        Of tumour.
    figures : dict
        ``dice`` and ``jaccard`` at probability 0.5; without a threshold ``auc``, how often a tumour
        px has more probability than another (None where the tile has one class), and
        ``calibration_error``.
    counts : dict of str to ndarray
        See `microtome.calibration.pixel_counts.count_pixels`.
    epistemic : ndarray of shape (height, width), float32, optional
        Variance over the networks, where there are several.
    """

    probability: np.ndarray
    figures: dict[str, float | None]
    counts: dict[str, np.ndarray]
    epistemic: np.ndarray | None


def map_tile(
    members: Mapping[str, nn.Module], name: str, files: TileFiles, spec: GridSpec
) -> dict[str, Maps]:
    """Score a tile by overlapping patches, in one pass, stitch the maps and compare with the truth.

    Parameters
    ----------
    members : mapping of str to Module
        One network, or several.
    name : str
        The tile.
    files : TileFiles
        What `TileFiles.prepare` wrote of it; the maps are kept in ``maps`` there.
    spec : GridSpec
        The patches.

    Returns
    -------
    dict of str to Maps
        One of each network, by its name; of several, one of all together, `ALL`.
    """
    folder = files.folder / "maps" / name
    scores = folder / f"{'_'.join(members)}.zarr"
    grid = Grid.load(files.grid(name, spec))
    with open_inspected(read_json(files.inspected(name)), name=name, **SLIDE_SETTINGS) as tile:
        scored = score(members, tile, grid, map_um=SPACING_UM)
        write_scores(scores, scored, grid, origin={"slide": name, "members": list(members)})

    def stitcher(part: str, member: str | None) -> Stitcher:
        found, _ = open_stitcher(
            scores,
            part=part,
            member=member,
            inspected=files.inspected(name),
            name=name,
            spacing_um=SPACING_UM,
            slide_settings=SLIDE_SETTINGS,
            blending="mean",
        )
        return found

    if len(members) == 1:
        (only,) = members
        return {only: _compare(stitcher("probability", None), None, only, name, files)}
    found = {
        member: _compare(stitcher("probability", member), None, member, name, files)
        for member in members
    }
    found[ALL] = _compare(
        stitcher("probability", None), stitcher("epistemic", None), ALL, name, files
    )
    return found


def _compare(
    probability: Stitcher, variance: Stitcher | None, title: str, name: str, files: TileFiles
) -> Maps:
    """Write the heatmap, the tumour map and the variance, and measure them."""
    folder = files.folder / "maps" / name
    shape = probability.shape
    heatmap, tumour, unsure = (
        folder / f"{title}_{kind}.tif" for kind in ("probability", "tumour", "epistemic")
    )
    write_raster(heatmap, probability.encoded_rows, shape=shape, spacing_um=SPACING_UM)
    found = decode(open_raster(heatmap).rows(0, shape[0]))
    write_array(tumour, np.where(found >= THRESHOLD, VIABLE, NONE), spacing_um=SPACING_UM)
    epistemic = None
    if variance:
        _write_variance(unsure, variance)
        epistemic = open_raster(unsure).rows(0, shape[0])
    counts = count_pixels(
        heatmap=heatmap,
        tissue=files.tissue(name),
        truth=files.truth(name),
        uncertainty={"epistemic": unsure} if variance else {},
        threshold=THRESHOLD,
    )
    overlap = overlap_metrics(pixel_confusion(open_raster(files.truth(name)), open_raster(tumour)))
    codes = counts["codes"]
    of_codes = {"auc": auroc(codes), "calibration_error": expected_calibration_error(codes)}
    return Maps(found, {**overlap, **of_codes}, counts, epistemic)


def _write_variance(path: Path, variance: Stitcher) -> None:
    write_raster(
        path, variance.float_rows, shape=variance.shape, spacing_um=SPACING_UM, dtype=np.float32
    )
