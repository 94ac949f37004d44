"""Rule find_nuclei: the nuclei in the tissue of a slide."""

from microtome.logs import start_log
from microtome.nuclei.step import find_nuclei_step
from microtome.parallel.step_client import run_step

start_log(snakemake.log[0])
run_step(
    find_nuclei_step,
    log=snakemake.log[0],
    table=snakemake.output.table,
    name=snakemake.wildcards.slide,
    model=snakemake.wildcards.model,
    slide_path=snakemake.input.slide,
    inspected=snakemake.input.inspected,
    tissue=snakemake.input.tissue,
    weights=snakemake.input.weights,
    entry=snakemake.params.entry,
    settings=snakemake.params.nuclei,
    threshold=snakemake.input.get("threshold") or None,
    slide_settings=snakemake.params.slide,
    threads=snakemake.threads,
    gpus=snakemake.resources.gpu,
    allow_cpu=snakemake.config["allow_cpu"],
    scratch_dir=snakemake.config["scratch_dir"],
)
