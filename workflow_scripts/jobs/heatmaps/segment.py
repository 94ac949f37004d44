"""Rule segment: viable tumour from the heatmap."""

from microtome.calibration.tuning import with_chosen_threshold
from microtome.heatmaps.codes import decoded
from microtome.logs import start_log
from microtome.rasters.label_tiff import open_raster, write_raster
from microtome.rasters.masks import resampled_rows
from microtome.tumour.segmentation import viable_mask

start_log(snakemake.log[0])
heatmap, tissue = open_raster(snakemake.input.heatmap), open_raster(snakemake.input.tissue)
spacing_um, shape = heatmap.spacing_um, heatmap.shape
with viable_mask(
    decoded(heatmap.rows),
    resampled_rows(tissue.rows, tissue.shape, shape, ratio=spacing_um / tissue.spacing_um),
    shape,
    spacing_um=spacing_um,
    beside=snakemake.output.viable,
    **with_chosen_threshold(snakemake.params.segmentation, snakemake.input.get("calibration")),
) as viable:
    write_raster(snakemake.output.viable, viable.rows, shape=shape, spacing_um=spacing_um)
