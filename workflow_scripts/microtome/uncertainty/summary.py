"""What the uncertainty maps of a slide come to, and what they mean for its tumour burden."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from microtome.io.atomic import read_json
from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.label_tiff import open_raster
from microtome.rasters.labels import NONE

LARGEST_VARIANCE = 0.25  # of anything in [0, 1]: half of it 0, half 1
_N_BINS = 2**12


def uncertainty_summary(
    variance: ReadRows, tissue: ReadRows, labels: ReadRows, shape: tuple[int, int]
) -> dict[str, float | None]:
    """Summarize an uncertainty map (float, NaN where nothing was scored), in bands.

    ``tissue_mean`` and ``tissue_95`` (95th percentile, to 1/4096 of the largest standard deviation)
    are over scored tissue, ``tumour_mean`` is over the whole tumour, by `microtome.rasters.labels`;
    None where there is none.
    """
    counts = np.zeros(_N_BINS, np.int64)
    sums, n_px = np.zeros(2), np.zeros(2, np.int64)
    for band in bands(shape[0], band_rows(shape[1])):
        values = variance(*band)
        known = ~np.isnan(values) & (tissue(*band) != 0)
        of_tumour = known & (labels(*band) != NONE)
        for place, chosen in enumerate((values[known], values[of_tumour])):
            sums[place] += chosen.sum(dtype=np.float64)
            n_px[place] += chosen.size
        share = np.sqrt(np.clip(values[known] / LARGEST_VARIANCE, 0, 1))
        counts += np.bincount(np.rint(share * (_N_BINS - 1)).astype(np.int64), minlength=_N_BINS)
    means = [float(s / n) if n else None for s, n in zip(sums, n_px, strict=True)]
    return {"tissue_mean": means[0], "tissue_95": _percentile(counts), "tumour_mean": means[1]}


def burden_interval(burden: float, of_members: Sequence[float]) -> dict[str, float]:
    """Between what bounds the tumour burden lies, by the spread of an ensemble.

    `burden` is by all members together, `of_members` by each alone, with the same segmentation.

    Returns
    -------
    dict
        ``burden``; ``burden_sd``, the members' sample standard deviation; ``burden_low`` and
        ``burden_high``, the 95 % prediction interval about the burden, t sd sqrt(1 + 1/n) to either
        side and within [0, 1]: as if the truth were one more member. It is wide, for a few members
        say little, and yet too narrow where they all err alike.

    Examples
    --------
    >>> {key: round(value, 3) for key, value in burden_interval(0.5, [0.49, 0.5, 0.51]).items()}
    {'burden': 0.5, 'burden_low': 0.45, 'burden_high': 0.55, 'burden_sd': 0.01}
    """
    n, sd = len(of_members), float(np.std(of_members, ddof=1))
    reach = float(stats.t.ppf(0.975, n - 1)) * sd * (1 + 1 / n) ** 0.5
    return {
        "burden": burden,
        "burden_low": max(0.0, burden - reach),
        "burden_high": min(1.0, burden + reach),
        "burden_sd": sd,
    }


def _percentile(counts: np.ndarray) -> float | None:
    if not counts.any():
        return None
    place = np.searchsorted(np.cumsum(counts), 0.95 * counts.sum())
    return float((place / (_N_BINS - 1)) ** 2 * LARGEST_VARIANCE)


def summarize(
    slide: str,
    *,
    maps: Mapping[str, str | Path],
    tissue: str | Path,
    tumour: str | Path,
    burden: str | Path,
    of_members: Sequence[str | Path],
) -> dict:
    """Summarize the uncertainty maps of a slide: one row of the model's table.

    Parameters
    ----------
    maps : mapping of str to str or Path
        ``aleatoric`` and ``epistemic``, those there are, of the same spacing as `tumour`.
    burden, of_members : str or Path, sequence of str or Path
        The slide's tumour burden, JSON, and that by each member of an ensemble alone; none for
        other models.
    """
    labels, mask = open_raster(tumour), open_raster(tissue)
    found: dict = {"slide": slide}
    if of_members:
        burdens = [read_json(path)["burden"] for path in of_members]
        found |= burden_interval(read_json(burden)["burden"], burdens)
    for kind, path in maps.items():
        summary = uncertainty_summary(
            open_raster(path).rows,
            mask.rows_on(labels.shape, labels.spacing_um),
            labels.rows,
            labels.shape,
        )
        found |= {f"{kind}_{key}": value for key, value in summary.items()}
    return found
