"""Rules train_classifier and train_segmenter: a network that tells tumour from the rest."""

from microtome.logs import start_log
from microtome.training.step import launch_step, train_step

start_log(snakemake.log[0])
launch_step(
    train_step,
    snakemake.input,
    name=snakemake.wildcards.model,
    autoencoders=list(snakemake.input.get("autoencoders", [])),
    start=snakemake.input.get("start"),
    weights=snakemake.output.weights,
    curves=snakemake.output.curves,
    log_path=snakemake.log[0],
    threads=snakemake.threads,
    gpus=snakemake.resources.gpu,
    allow_cpu=snakemake.config["allow_cpu"],
    scratch_dir=snakemake.config["scratch_dir"],
    entry=snakemake.params.entry,
    checkpoint=snakemake.params.checkpoint,
    data=snakemake.params.data,
    code=snakemake.params.code,
)
