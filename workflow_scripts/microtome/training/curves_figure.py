"""The figures of training runs: losses and accuracy of each epoch, of one network and of all."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from microtome.figures.style import INK, save_figure

_NOT_DRAWN = ("epoch", "learning_rate")
_COLOURS = {"train": INK, "validation": "#c2185b"}


def curves_figure(path: str | Path, history: list[dict[str, str]], *, title: str) -> None:
    """Draw loss (and accuracy, where there is one) per epoch, training and validation."""
    names = sorted(
        {key.partition("_")[2] for key in history[0] if key not in _NOT_DRAWN}, reverse=True
    )
    figure = Figure(figsize=(4.6 * len(names), 3.4), layout="constrained", dpi=110)
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for part, colour in _COLOURS.items():
            _draw_curve(axis, history, f"{part}_{name}", color=colour, label=part)
        _finish(axis, name)
        axis.legend(frameon=False)
    save_figure(figure, path)


def losses_figure(
    path: str | Path,
    histories: Iterable[Sequence[Mapping[str, str]]],
    *,
    networks: Sequence[Mapping[str, str]],
) -> None:
    """Draw the losses of all networks of a run: Fig. 5 of the joint paper, for any networks.

    A row of panels for each loss, for different ones cannot be compared: on training patches and on
    validation patches; a line a network, folds of a model in one colour.

    Parameters
    ----------
    path : str or Path
        PNG to write.
    histories : iterable of sequence of mapping
        Of each network the rows of its ``training_curves.csv``.
    networks : sequence of mapping
        In the same order the ``model`` that a network is, or is a fold of, and the name of its
        ``loss``.
    """
    curves = [*zip(networks, histories, strict=True)]
    losses = list(dict.fromkeys(network["loss"] for network in networks))
    models = list(dict.fromkeys(network["model"] for network in networks))
    palette = colormaps["turbo"](np.linspace(0.05, 0.95, len(models)))
    colours = dict(zip(models, palette, strict=True))
    figure = Figure(figsize=(9.6, 0.5 + 3.3 * len(losses)), layout="constrained", dpi=110)
    figure.suptitle("Training losses", color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(len(losses), len(_COLOURS), squeeze=False)
    for row, loss in zip(panels, losses, strict=True):
        of_loss = [(one["model"], history) for one, history in curves if one["loss"] == loss]
        for axis, part in zip(row, _COLOURS, strict=True):
            drawn = set()
            for model, history in of_loss:
                label = None if model in drawn else model
                _draw_curve(axis, history, f"{part}_loss", color=colours[model], label=label)
                drawn.add(model)
            _finish(axis, loss if part == "train" else "")
            axis.set_title(f"{part} patches", fontsize=10, color=INK, loc="left")
        row[-1].legend(
            *row[0].get_legend_handles_labels(),
            frameon=False,
            fontsize=8,
            loc="upper left",
            bbox_to_anchor=(1, 1),
        )
    save_figure(figure, path)


def _draw_curve(axis: Axes, history: Sequence[Mapping[str, str]], column: str, **style) -> None:
    """Draw a column of the curves against the epoch, where there is one."""
    if column in history[0]:
        epochs = [int(row["epoch"]) for row in history]
        axis.plot(epochs, [float(row[column]) for row in history], "o-", ms=3, **style)


def _finish(axis: Axes, name: str) -> None:
    axis.set(xlabel="epoch", ylabel=name)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.spines[["top", "right"]].set_visible(False)
