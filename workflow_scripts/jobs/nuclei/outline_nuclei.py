"""Rule outline_nuclei: the area and the outline of each nucleus of a slide."""

from microtome.logs import start_log
from microtome.nuclei.outline_step import outline_nuclei_step
from microtome.parallel.step_client import run_step

start_log(snakemake.log[0])
run_step(
    outline_nuclei_step,
    log=snakemake.log[0],
    table=snakemake.output.table,
    nuclei=snakemake.input.nuclei,
    name=snakemake.wildcards.slide,
    model=snakemake.params.model,
    slide_path=snakemake.input.slide,
    inspected=snakemake.input.inspected,
    weights=snakemake.input.weights,
    entry=snakemake.params.entry,
    slide_settings=snakemake.params.slide,
    threads=snakemake.threads,
    gpus=snakemake.resources.gpu,
    allow_cpu=snakemake.config["allow_cpu"],
    scratch_dir=snakemake.config["scratch_dir"],
)
