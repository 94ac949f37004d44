"""The vote on one slide, from files to a row of the table."""

from collections.abc import Mapping
from pathlib import Path

from microtome.bands import count_true
from microtome.rasters import open_raster
from microtome.score_stores import open_scores
from microtome.tumour import VIABLE
from microtome.voting import CLASSES, vote


def vote_step(
    *, slide: str, scores: Mapping[str, str | Path], truth: str | Path | None, label: str | None
) -> dict:
    """Vote on a slide, and say what is true of it where that is known.

    Parameters
    ----------
    slide : str
        The slide's id.
    scores : mapping of str to str or Path
        Store of each member's scores.
    truth : str or Path, optional
        Its truth map.
    label : str, optional
        The sheet's: with 'negative' there is no tumour, with any other there is.

    Returns
    -------
    dict
        ``slide``, ``truth`` ('tumour', 'other', or empty), and what `vote` gives.
    """
    found = vote({name: open_scores(path) for name, path in scores.items()})
    return {"slide": slide, "truth": _true_class(truth, label), **found}


def _true_class(truth: str | Path | None, label: str | None) -> str:
    if label:
        return CLASSES[label != "negative"]
    if not truth:
        return ""
    raster = open_raster(truth)
    n_px = count_true(lambda first, n: raster.rows(first, n) == VIABLE, raster.shape)
    return CLASSES[n_px > 0]
