"""Rule stitch_uncertainty: one map of a slide from the variances of its patches."""

import numpy as np

from microtome.heatmaps.step import open_stitcher
from microtome.logs import start_log
from microtome.rasters.label_tiff import write_raster

start_log(snakemake.log[0])
stitcher, spacing_um = open_stitcher(
    snakemake.input.scores,
    part=snakemake.wildcards.uncertainty,
    member=snakemake.params.member,
    inspected=snakemake.input.inspected,
    name=snakemake.wildcards.slide,
    spacing_um=snakemake.params.spacing_um,
    slide_settings=snakemake.params.slide,
    blending=snakemake.params.blending,
)
write_raster(
    snakemake.output.uncertainty,
    stitcher.float_rows,
    shape=stitcher.shape,
    spacing_um=spacing_um,
    dtype=np.float32,
)
