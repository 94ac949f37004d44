"""The figure of a slide, from files to file."""

from pathlib import Path

from microtome.heatmaps.panels import read_panels
from microtome.io.atomic import read_json
from microtome.tumour.figure import slide_figure


def draw_slide(
    figure: str | Path,
    *,
    name: str,
    model: str,
    overview: str | Path,
    tissue: str | Path,
    heatmap: str | Path,
    tumour: str | Path,
    burden: str | Path,
    truth: str | Path | None,
) -> None:
    """Draw the figure of one slide and model.

    Parameters
    ----------
    figure : str or Path
        PNG to write.
    name, model : str
        For the title.
    overview, tissue, heatmap, tumour, burden, truth : str or Path
        The slide's results; `truth` where it is known.
    """
    spacing_um, settings = read_panels(overview, tissue, heatmap, tumour, truth)
    slide_figure(
        figure,
        title=f"{name}  ·  {model}  ·  tumour burden {read_json(burden)['burden']:.0%}",
        spacing_um=spacing_um,
        **settings,
    )
