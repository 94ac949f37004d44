"""The report of the trial on tiles: tables in Markdown and CSV, and a picture."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from microtome.calibration.pixel_counts import (
    calibration_rows,
    codes_by_model,
    error_detection_rows,
)
from microtome.calibration.ranking import rank_pixels
from microtome.evaluation.metrics import confusion, overlap_metrics
from microtome.figures.panels import draw_panel
from microtome.figures.style import INK, save_figure
from microtome.io.atomic import atomic
from microtome.io.tables import write_table
from microtome.io.text_tables import markdown_table
from tile_files import Tile
from tile_maps import ALL, THRESHOLD, Maps

EVERYTHING = "everything tumour"
_TITLES = {"colour": "colour alone", "unet_plus_plus": "UNet++", "unet_resnet18": "U-Net"}
_HEAT, _UNSURE = mpl.colormaps["magma"], mpl.colormaps["viridis"]
_OUTLINES = (INK, "#4dd0e1", "white")
_ROWS = ("outline of the truth", "tumour probability", "standard deviation")
_LARGEST_SD = 0.5  # of probabilities: half of them 0, half 1


def write_report(
    results: Path, tiles: Sequence[Tile], found: dict[str, dict[str, Maps]], *, seconds: float
) -> None:
    """Write ``tiles.csv``, ``summary.md`` and ``trial.png``.

    Parameters
    ----------
    results : Path
        Folder.
    tiles : sequence of Tile
        All tiles.
    found : dict of str to dict of str to Maps
        Tile -> method -> its maps.
    seconds : float
        What the trial took.
    """
    rows = figure_rows(tiles, found)
    write_table(results / "tiles.csv", rows)
    codes = codes_by_model(
        (_title(method), maps.counts)
        for methods in found.values()
        for method, maps in methods.items()
    )
    rankings = {method: rank_pixels(counts) for method, counts in codes.items()}
    calibration = [
        {"method": row["model"], "calibration error": row["expected_calibration_error"]}
        for row in calibration_rows(codes, rankings)
    ]
    errors = [
        {"tile": row["slide"], "AUROC of the variance": _number(row["auroc_epistemic"])}
        for row in error_rows(found)
    ]
    text = (
        f"{len(tiles)} tiles, each tested by networks trained on the others;"
        f" {datetime.now(UTC):%Y-%m-%d}, {seconds / 60:.0f} minutes. Tumour is what has a"
        f" probability of {THRESHOLD:g}. Dice / Jaccard\n\n"
        f"{markdown_table(method_table(rows, 'dice', 'jaccard'))}\n"
        f"AUC of the px, which needs no threshold\n\n{markdown_table(method_table(rows, 'auc'))}\n"
        f"How often a px that is wrong has more variance over the networks than one that is right"
        f"\n\n{markdown_table(errors)}\nExpected calibration error, over all px of all tiles\n\n"
        f"{markdown_table(calibration)}"
    )
    with atomic(results / "summary.md") as temporary:
        temporary.write_text(text)
    _picture(results / "trial.png", tiles, found)


def figure_rows(tiles: Sequence[Tile], found: dict[str, dict[str, Maps]]) -> list[dict]:
    """One row a tile and method, the method that calls everything tumour first.

    Returns
    -------
    list of dict
        ``tile``, ``tumour_share``, ``method``, ``dice``, ``jaccard``, ``auc`` and
        ``calibration_error`` (None where there is no probability).
    """
    rows = []
    for tile in tiles:
        blind = overlap_metrics(confusion(tile.mask, np.ones_like(tile.mask)))
        methods = {EVERYTHING: {**blind, "auc": None, "calibration_error": None}}
        methods |= {_title(method): maps.figures for method, maps in found[tile.name].items()}
        about = {"tile": tile.name, "tumour_share": float(tile.mask.mean())}
        rows += [{**about, "method": title, **figures} for title, figures in methods.items()]
    return rows


def method_table(rows: Sequence[dict], *figures: str) -> list[dict]:
    """Some figures, a row a tile and one of their means, a column a method that has them."""
    shares = {row["tile"]: row["tumour_share"] for row in rows}
    cells = {
        (row["tile"], row["method"]): [row[figure] for figure in figures]
        for row in rows
        if row[figures[0]] is not None
    }
    methods = list(dict.fromkeys(method for _, method in cells))
    shares["mean"] = float(np.mean(list(shares.values())))
    for method in methods:
        of_tiles = [values for (_, other), values in cells.items() if other == method]
        cells["mean", method] = np.mean(of_tiles, axis=0)
    return [
        {
            "tile": tile,
            "tumour": f"{share:.0%}",
            **{
                method: " / ".join(_number(value) for value in cells[tile, method])
                for method in methods
            },
        }
        for tile, share in shares.items()
    ]


def error_rows(found: dict[str, dict[str, Maps]]) -> list[dict]:
    """See `microtome.calibration.pixel_counts.error_detection_rows`, of all networks together."""
    return error_detection_rows(
        ((ALL, tile, methods[ALL].counts) for tile, methods in found.items()), {}
    )


def _title(method: str) -> str:
    return _TITLES.get(method, method)


def _picture(path: Path, tiles: Sequence[Tile], found: dict[str, dict[str, Maps]]) -> None:
    """Each tile with the outline of its truth, its probability and where the networks differ."""
    n = len(tiles)
    figure = Figure(figsize=(2.5 * n + 0.9, 7.9), layout="constrained", dpi=110)
    axes = figure.subplots(3, n + 1, width_ratios=[1] * n + [0.05])
    errors = {row["slide"]: row["auroc_epistemic"] for row in error_rows(found)}
    for (top, middle, bottom), tile in zip(axes.T, tiles, strict=False):
        maps, pixels = found[tile.name][ALL], tile.pixels()
        draw_panel(top, pixels, f"{tile.name}\n{tile.mask.mean():.0%} tumour")
        draw_panel(
            middle,
            pixels,
            f"Dice {_number(maps.figures['dice'])}  AUC {_number(maps.figures['auc'])}",
        )
        heat = middle.imshow(maps.probability, cmap=_HEAT, vmin=0, vmax=1)
        draw_panel(bottom, pixels, f"AUROC of errors {_number(errors[tile.name])}")
        unsure = bottom.imshow(np.sqrt(maps.epistemic), cmap=_UNSURE, vmin=0, vmax=_LARGEST_SD)
        for axis, colour in zip((top, middle, bottom), _OUTLINES, strict=True):
            axis.contour(tile.mask, levels=[0.5], colors=[colour], linewidths=1.2)
    for axis, label in zip(axes[:, 0], _ROWS, strict=True):
        axis.set_ylabel(label, color=INK)
    axes[0, n].set_axis_off()
    figure.colorbar(heat, cax=axes[1, n], ticks=[0, 0.5, 1])
    figure.colorbar(unsure, cax=axes[2, n], ticks=[0, 0.25, 0.5])
    save_figure(figure, path)


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"
