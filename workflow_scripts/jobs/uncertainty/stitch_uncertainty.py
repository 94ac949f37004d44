"""Rule stitch_uncertainty: one map of a slide from the variances of its patches."""

from microtome.heatmaps.step import stitch_uncertainty
from microtome.logs import start_log

start_log(snakemake.log[0])
stitch_uncertainty(
    snakemake.output.uncertainty,
    snakemake.input.scores,
    part=snakemake.wildcards.uncertainty,
    member=snakemake.params.member,
    inspected=snakemake.input.inspected,
    name=snakemake.wildcards.slide,
    spacing_um=snakemake.params.spacing_um,
    slide_settings=snakemake.params.slide,
    blending=snakemake.params.blending,
)
