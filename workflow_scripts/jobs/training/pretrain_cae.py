"""Rule pretrain_cae: the autoencoder of a HistoCAE model, of one spacing."""

from microtome.logs import start_log
from microtome.networks.devices import require_gpus
from microtome.parallel.local_copies import copy_to_scratch
from microtome.training.launching import launch
from microtome.training.open_data import data_of_rule, slides_of_rule
from microtome.training.step import pretrain_step

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
slides = slides_of_rule(snakemake.input)
with copy_to_scratch(slides, folder=snakemake.config["scratch_dir"]) as copies:
    launch(
        pretrain_step,
        gpus=snakemake.params.entry.get("gpus", 1),
        log_path=snakemake.log[0],
        name=snakemake.wildcards.model,
        entry=snakemake.params.entry,
        spacing_um=float(snakemake.wildcards.spacing),
        data=data_of_rule(snakemake.input, snakemake.params.data, copies=copies),
        weights=snakemake.output.weights,
        curves=snakemake.output.curves,
        checkpoint=snakemake.params.checkpoint,
        threads=snakemake.threads,
        code=snakemake.params.code,
    )
