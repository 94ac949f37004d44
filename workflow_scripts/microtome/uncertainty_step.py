"""A slide's uncertainty, from files to a row of the table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.files import read_json
from microtome.masks import resampled_rows
from microtome.rasters import open_raster
from microtome.uncertainty import burden_interval, uncertainty_summary


def summarize(
    slide: str,
    *,
    maps: Mapping[str, str | Path],
    tissue: str | Path,
    tumour: str | Path,
    burden: str | Path,
    of_members: Sequence[str | Path],
) -> dict:
    """Summarize the uncertainty maps of a slide.

    Parameters
    ----------
    slide : str
        The slide's id.
    maps : mapping of str to str or Path
        ``aleatoric`` and ``epistemic``, those there are, of the same spacing as `tumour`.
    tissue, tumour : str or Path
        Its tissue mask and tumour map.
    burden : str or Path
        Its tumour burden, JSON.
    of_members : sequence of str or Path
        The same by each member of an ensemble alone; none for other models.

    Returns
    -------
    dict
        ``slide``; with members the burden's interval; then of each map what
        `uncertainty_summary` gives.
    """
    labels, mask = open_raster(tumour), open_raster(tissue)
    ratio = labels.spacing_um / mask.spacing_um
    found: dict = {"slide": slide}
    if of_members:
        burdens = [read_json(path)["burden"] for path in of_members]
        found |= burden_interval(read_json(burden)["burden"], burdens)
    for kind, path in maps.items():
        summary = uncertainty_summary(
            open_raster(path).rows,
            resampled_rows(mask.rows, mask.shape, labels.shape, ratio=ratio),
            labels.rows,
            labels.shape,
        )
        found |= {f"{kind}_{key}": value for key, value in summary.items()}
    return found
