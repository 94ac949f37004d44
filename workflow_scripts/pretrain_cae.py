"""Rule pretrain_cae: the autoencoder of a HistoCAE model."""

from microtome.devices import use_threads
from microtome.histocae_training import pretrain
from microtome.logs import start_log
from microtome.registry import save_weights
from microtome.tables import write_table
from microtome.training_data import open_training_data

start_log(snakemake.log[0])
use_threads(snakemake.threads)
name, entry, code = snakemake.wildcards.model, snakemake.params.entry, snakemake.params.code
settings = {"labelled": False, "workers": snakemake.threads, **snakemake.params.data}
train = open_training_data(snakemake.input.train, snakemake.input.train_slides, **settings)
validation = open_training_data(
    snakemake.input.validation, snakemake.input.validation_slides, **settings
)
cae, history = pretrain(
    name, entry, train, validation, checkpoint=snakemake.params.checkpoint, code=code
)
write_table(snakemake.output.curves, history)
save_weights(
    snakemake.output.weights,
    cae,
    name=name,
    entry=entry,
    training={**train.summary(), "code": code},
)
