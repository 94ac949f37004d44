"""Rule pretrain_crosswise: a crosswise autoencoder, from slides without labels."""

from microtome.logs import start_log
from microtome.nucleus_training.pretraining_step import pretrain_crosswise_step
from microtome.training.step import launch_step

start_log(snakemake.log[0])
launch_step(
    pretrain_crosswise_step,
    snakemake.input,
    name=snakemake.wildcards.model,
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
