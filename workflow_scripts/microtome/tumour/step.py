"""The tumour map of a slide, from files to file."""

from pathlib import Path

from microtome.heatmaps.codes import decoded
from microtome.rasters.label_tiff import open_raster, write_raster
from microtome.tumour.burden import burden, tumour_map
from microtome.tumour.segmentation import viable_mask


def map_tumour(
    tumour: str | Path, *, heatmap: str | Path, tissue: str | Path, segmentation: dict
) -> dict[str, float]:
    """Segment viable and whole tumour and write them as one map.

    Parameters
    ----------
    tumour : str or Path
        The TIFF to write, with the labels of `microtome.rasters.labels`.
    heatmap, tissue : str or Path
        The slide's heatmap and tissue mask.
    segmentation : dict
        The config's section ``segmentation``: see `viable_mask`.

    Returns
    -------
    dict
        Areas and tumour burden, see `burden`.
    """
    scores = open_raster(heatmap)
    shape, spacing_um = scores.shape, scores.spacing_um
    on_tissue = open_raster(tissue).rows_on(shape, spacing_um)
    probability = decoded(scores.rows)
    with viable_mask(
        probability, on_tissue, shape, spacing_um=spacing_um, beside=tumour, **segmentation
    ) as viable:
        labels = tumour_map(viable.rows, on_tissue, shape)
        write_raster(tumour, labels, shape=shape, spacing_um=spacing_um)
    return burden(open_raster(tumour).rows, shape, spacing_um=spacing_um)
