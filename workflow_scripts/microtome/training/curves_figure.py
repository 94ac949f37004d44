"""The figure of a training run: losses and accuracy of each epoch."""

from pathlib import Path

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
    epochs = [int(row["epoch"]) for row in history]
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for part, colour in _COLOURS.items():
            if f"{part}_{name}" in history[0]:
                values = [float(row[f"{part}_{name}"]) for row in history]
                axis.plot(epochs, values, "o-", ms=3, color=colour, label=part)
        axis.set(xlabel="epoch", ylabel=name)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    save_figure(figure, path)
