"""The figure of a slide's uncertainty, from files to file."""

from collections.abc import Mapping
from pathlib import Path

from microtome.heatmaps.panels import read_panels, read_thinned
from microtome.io.atomic import read_json
from microtome.rasters.label_tiff import open_raster
from microtome.uncertainty.figure import uncertainty_figure


def draw_uncertainty(
    figure: str | Path,
    *,
    name: str,
    model: str,
    overview: str | Path,
    tissue: str | Path,
    heatmap: str | Path,
    tumour: str | Path,
    uncertainty: Mapping[str, str | Path],
    summary: str | Path,
    truth: str | Path | None,
) -> None:
    """Draw where a model is unsure of one slide.

    Parameters
    ----------
    uncertainty : mapping of str to str or Path
        Its uncertainty maps.
    summary : str or Path
        What `microtome.uncertainty.summary.summarize` found.
    figure, name, model, overview, tissue, heatmap, tumour, truth
        See `microtome.tumour.figure.draw_slide_figure`.
    """
    spacing_um, settings = read_panels(overview, tissue, heatmap, tumour, truth)
    found = read_json(summary)
    title = f"{name}  ·  {model}"
    if "burden" in found:
        low, high = found["burden_low"], found["burden_high"]
        title += f"  ·  tumour burden {found['burden']:.0%} ({low:.0%} to {high:.0%})"
    uncertainty_figure(
        figure,
        title=title,
        spacing_um=spacing_um,
        variances={kind: read_thinned(open_raster(path))[0] for kind, path in uncertainty.items()},
        **settings,
    )
