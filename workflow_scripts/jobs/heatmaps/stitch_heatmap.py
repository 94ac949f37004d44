"""Rule stitch_heatmap: one heatmap from the overlapping patch scores of a slide."""

from microtome.heatmaps.step import heatmap_rows, open_stitcher, require_covered
from microtome.logs import start_log
from microtome.rasters.label_tiff import write_raster

start_log(snakemake.log[0])
stitcher, spacing_um = open_stitcher(
    snakemake.input.scores,
    part="probability",
    member=snakemake.params.member,
    inspected=snakemake.input.inspected,
    name=snakemake.wildcards.slide,
    spacing_um=snakemake.params.spacing_um,
    slide_settings=snakemake.params.slide,
    blending=snakemake.params.blending,
)
require_covered(
    stitcher, snakemake.input.tissue, spacing_um=spacing_um, name=snakemake.wildcards.slide
)
write_raster(
    snakemake.output.heatmap,
    heatmap_rows(stitcher, calibration=snakemake.input.get("calibration")),
    shape=stitcher.shape,
    spacing_um=spacing_um,
)
