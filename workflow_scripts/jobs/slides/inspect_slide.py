"""Rule inspect_slide: what a slide file is, or what is wrong with it."""

from microtome.cohort.exclusion import run_stage
from microtome.logs import start_log
from microtome.slides.inspection import inspect

start_log(snakemake.log[0])
run_stage(
    inspect,
    status=snakemake.output.status,
    given=snakemake.params.given,
    name=snakemake.wildcards.slide,
    row=snakemake.params.row,
    **snakemake.params.slide,
)
