"""Rule segment: viable tumour from the heatmap."""

from microtome.logs import start_log
from microtome.masks import resampled
from microtome.rasters import read_raster, write_array
from microtome.stitching import decode
from microtome.tumour import viable_mask

start_log(snakemake.log[0])
heatmap, spacing_um = read_raster(snakemake.input.heatmap)
tissue, tissue_um = read_raster(snakemake.input.tissue)
viable = viable_mask(
    decode(heatmap),
    resampled(tissue, heatmap.shape, ratio=spacing_um / tissue_um).astype(bool),
    spacing_um=spacing_um,
    **snakemake.params.segmentation,
)
write_array(snakemake.output.viable, viable, spacing_um=spacing_um)
