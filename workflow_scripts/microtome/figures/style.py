"""What all pictures have in common."""

from pathlib import Path

from matplotlib.figure import Figure

from microtome.io.atomic import atomic

INK = "#263238"


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with atomic(path) as temporary:
        # No software version or date in the file: the same run gives the same bytes.
        figure.savefig(temporary, format="png", metadata={"Software": None})
