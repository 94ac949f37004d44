"""Rule score_slide: the tumour probability of every patch of a slide."""

from microtome.inference.step import score_step
from microtome.logs import start_log
from microtome.parallel.step_client import run_step

start_log(snakemake.log[0])
run_step(
    score_step,
    log=snakemake.log[0],
    scores=snakemake.output.scores,
    name=snakemake.wildcards.slide,
    model=snakemake.wildcards.model,
    slide_path=snakemake.input.slide,
    inspected=snakemake.input.inspected,
    grid=snakemake.input.grid,
    weights=list(snakemake.input.weights),
    members=snakemake.params.members,
    entry=snakemake.params.entry,
    slide_settings=snakemake.params.slide,
    batch=snakemake.params.batch,
    map_um=snakemake.params.heatmap_um,
    white_from=snakemake.params.white_from,
    compiled=snakemake.params.compiled,
    threads=snakemake.threads,
    gpus=snakemake.resources.gpu,
    allow_cpu=snakemake.config["allow_cpu"],
    scratch_dir=snakemake.config["scratch_dir"],
)
