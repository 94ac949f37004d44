"""Rule stitch_heatmap: one heatmap from the overlapping patch scores of a slide."""

from microtome.files import read_json
from microtome.logs import start_log
from microtome.rasters import write_raster
from microtome.score_stores import open_scores
from microtome.spacing import scale_for
from microtome.stitching import Stitcher

start_log(snakemake.log[0])
info = read_json(snakemake.input.inspected)
scores = open_scores(snakemake.input.scores)
scale = scale_for(
    snakemake.params.spacing_um,
    slide_spacing_um=info["spacing_um"],
    name=snakemake.wildcards.slide,
    **snakemake.params.slide,
)
stitcher = Stitcher(
    scores.grid, scores.probability, size_px=(info["width_px"], info["height_px"]), scale=scale
)
write_raster(
    snakemake.output.heatmap,
    stitcher.encoded_rows,
    shape=stitcher.shape,
    spacing_um=info["spacing_um"] * scale,
)
