"""Rule train_nucleus_network: a network that learns nuclei from labelled images."""

from microtome.logs import start_log
from microtome.networks.devices import require_gpus
from microtome.nucleus_training.fine_tuning_step import train_nucleus_network_step
from microtome.training.launching import launch

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
launch(
    train_nucleus_network_step,
    gpus=snakemake.params.entry.get("gpus", 1),
    name=snakemake.wildcards.model,
    images=snakemake.params.images,
    start=snakemake.input.get("start") or None,
    weights=snakemake.output.weights,
    curves=snakemake.output.curves,
    log_path=snakemake.log[0],
    threads=snakemake.threads,
    entry=snakemake.params.entry,
    checkpoint=snakemake.params.checkpoint,
    code=snakemake.params.code,
)
