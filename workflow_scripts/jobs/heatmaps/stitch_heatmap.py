"""Rule stitch_heatmap: one heatmap from the overlapping patch scores of a slide."""

from microtome.heatmaps.step import stitch_heatmap
from microtome.logs import start_log

start_log(snakemake.log[0])
stitch_heatmap(
    snakemake.output.heatmap,
    snakemake.input.scores,
    tissue=snakemake.input.tissue,
    name=snakemake.wildcards.slide,
    calibration=snakemake.input.get("calibration"),
    member=snakemake.params.member,
    inspected=snakemake.input.inspected,
    spacing_um=snakemake.params.spacing_um,
    slide_settings=snakemake.params.slide,
    blending=snakemake.params.blending,
)
