"""Figures of the autoencoders of a run: patches and their reconstructions, and their latents.

Roy et al. 2021 (HistoCAE), figures S1 and S3 of its supplement.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from microtome.compression.comparison import Reconstructions
from microtome.figures.panels import draw_panel
from microtome.figures.style import INK, save_figure

_PANEL_INCH = 2.4
_COLUMNS = 4
_TILES_A_SIDE = 8  # 64 maps
_GAP_PX = 1
# Between these percentiles of its latents an autoencoder's maps go from dark to bright.
_EXTREMES = 1, 99


def draw_reconstructions(path: str | Path, found: Sequence[Reconstructions]) -> None:
    """Draw some test patches, and beside each what every autoencoder makes of it.

    A row an example; a column an autoencoder, those of one spacing behind their originals. With
    cross-validation those of the first fold, as the others see other slides.
    """
    groups = list(_group(found))
    columns = sum(1 + len(group) for group in groups)
    rows = max((len(group[0].examples) for group in groups), default=0)
    size = (_PANEL_INCH * max(columns, 2), (_PANEL_INCH + 0.3) * max(rows, 1) + 0.7)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    _title(figure, "Test patches and what the autoencoders make of them")
    panels = figure.subplots(max(rows, 1), max(columns, 1), squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    first = 0
    for group in groups:
        for row, example in enumerate(group[0].examples):
            title = f"{group[0].row['spacing_um']:g} µm/px\n{example.slide}"
            _show(panels[row, first], example.original, title)
        for column, one in enumerate(group, start=first + 1):
            for row, example in enumerate(one.examples):
                head = f"{_name(one)}\n" if row == 0 else ""
                title = f"{head}SSIM {example.ssim:.2f}"
                _show(panels[row, column], example.reconstruction, title)
        first += 1 + len(group)
    save_figure(figure, path)


def draw_latents(path: str | Path, found: Sequence[Reconstructions]) -> None:
    """Draw the first example of each spacing, and the maps of its latents by every autoencoder.

    The maps are tiles, eight in a row, from the first channel on, in one scale of grey for all maps
    of an autoencoder. With cross-validation they are of the first fold.
    """
    pictures = []
    for group in _group(found):
        for one in group:
            for example in one.examples[:1]:
                if one is group[0]:
                    title = f"{one.row['spacing_um']:g} µm/px\n{example.slide}"
                    pictures.append((example.original, title))
                pictures.append((tile_maps(example.latents), _name(one)))
    columns = min(max(len(pictures), 1), _COLUMNS)
    rows = max(1, -(-len(pictures) // columns))
    size = (1.4 * _PANEL_INCH * max(columns, 2), (1.4 * _PANEL_INCH + 0.5) * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    _title(figure, "A test patch and the maps of its latents")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, picture in zip(panels.flat, pictures, strict=False):
        _show(axes, *picture)
    save_figure(figure, path)


def tile_maps(latents: np.ndarray) -> np.ndarray:
    """Lay the maps of latents, (h, w, depth), float, out as tiles: RGB, uint8, white between them.

    Examples
    --------
    Two maps of one px, the second larger:

    >>> tile_maps(np.array([[[0.0, 1.0]]]))[:, :, 0]
    array([[  0, 255, 255]], dtype=uint8)
    """
    low, high = np.percentile(latents, _EXTREMES)
    grey = np.clip((latents - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1) * 255
    tall, wide, depth = latents.shape
    columns = min(depth, _TILES_A_SIDE)
    rows = -(-depth // columns)
    tiled = np.full((rows * (tall + _GAP_PX), columns * (wide + _GAP_PX)), 255, np.uint8)
    for channel in range(depth):
        top, left = channel // columns * (tall + _GAP_PX), channel % columns * (wide + _GAP_PX)
        tiled[top : top + tall, left : left + wide] = grey[:, :, channel].round()
    return np.repeat(tiled[:-_GAP_PX, :-_GAP_PX, None], 3, axis=2)


def _group(found: Sequence[Reconstructions]) -> Iterator[list[Reconstructions]]:
    """Give the autoencoders, of the first fold, that have the same examples."""
    by_patch: dict[tuple, list[Reconstructions]] = {}
    for one in found:
        if one.fold in (None, 1):
            by_patch.setdefault((one.row["spacing_um"], one.row["patch_px"]), []).append(one)
    yield from by_patch.values()


def _name(one: Reconstructions) -> str:
    pooled = "" if one.row["downsampling"] == "stride" else f", {one.row['downsampling']}"
    return f"{one.row['model']}{pooled}\n{one.row['loss']}"


def _show(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.set_axis_on()
    draw_panel(axes, pixels, title).title.set_fontsize(8)


def _title(figure: Figure, text: str) -> None:
    figure.suptitle(text, color=INK, fontsize=12, x=0.01, ha="left")
