"""Step of one slide: segment its heatmap and measure the tumour burden."""

from pathlib import Path

import numpy as np

from microtome.heatmaps.codes import decode
from microtome.rasters.label_tiff import open_raster, write_raster
from microtome.tumour.burden import label_tumour, measure_burden
from microtome.tumour.segmentation import segment_viable


def map_tumour(
    tumour: str | Path, *, heatmap: str | Path, tissue: str | Path, segmentation: dict
) -> dict[str, float]:
    """Segment viable and whole tumour and write them as one map.

    The TIFF `tumour` has the labels of `microtome.rasters.labels`; `segmentation` are the arguments
    of `segment_viable`. Gives what `measure_burden` does.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from microtome.rasters.label_tiff import write_array
    >>> settings = {"threshold": 0.5, "opening_um": 0, "max_hole_um2": 0, "min_area_um2": 0}
    >>> with TemporaryDirectory() as folder:
    ...     heatmap, tissue, tumour = (f"{folder}/{name}.tif" for name in "abc")
    ...     write_array(heatmap, np.array([[1, 150, 50, 255]]), spacing_um=1000)
    ...     write_array(tissue, np.ones((1, 4)), spacing_um=1000)
    ...     found = map_tumour(tumour, heatmap=heatmap, tissue=tissue, segmentation=settings)
    >>> found["viable_mm2"], found["whole_mm2"]
    (2.0, 3.0)
    """
    scores = open_raster(heatmap)
    shape, spacing_um = scores.shape, scores.spacing_um
    on_tissue = open_raster(tissue).rows_on(shape, spacing_um)

    def probability(first_row: int, n_rows: int) -> np.ndarray:
        return decode(scores.rows(first_row, n_rows))

    with segment_viable(
        probability, on_tissue, shape, spacing_um=spacing_um, beside=tumour, **segmentation
    ) as viable:
        labels = label_tumour(viable.rows, on_tissue, shape)
        write_raster(tumour, labels, shape=shape, spacing_um=spacing_um)
    return measure_burden(open_raster(tumour).rows, shape, spacing_um=spacing_um)
