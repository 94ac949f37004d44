"""Rule rasterize_annotation: one checked truth map from outlines or masks."""

from microtome.cohort.exclusion import run_stage
from microtome.logs import start_log
from microtome.truth.step import write_truth

start_log(snakemake.log[0])
run_stage(
    write_truth,
    status=snakemake.output.status,
    before=[snakemake.input.inspected],
    outputs=[snakemake.output.truth],
    given=snakemake.params.given,
    name=snakemake.wildcards.slide,
    row=snakemake.params.row,
    inspected=snakemake.input.inspected,
    truth=snakemake.output.truth,
    slide_settings=snakemake.params.slide,
    **snakemake.params.annotation,
)
