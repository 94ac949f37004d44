"""Rule train_classifier: the classifier of a HistoCAE model."""

from microtome.devices import use_threads
from microtome.histocae_training import train_from_cae
from microtome.logs import start_log
from microtome.registry import load_state, save_weights
from microtome.tables import write_table
from microtome.training_data import open_training_data

start_log(snakemake.log[0])
use_threads(snakemake.threads)
name, entry, code = snakemake.wildcards.model, snakemake.params.entry, snakemake.params.code
settings = {"labelled": True, "workers": snakemake.threads, **snakemake.params.data}
train = open_training_data(snakemake.input.train, snakemake.input.train_slides, **settings)
validation = open_training_data(
    snakemake.input.validation, snakemake.input.validation_slides, **settings
)
classifier, history = train_from_cae(
    name,
    entry,
    train,
    validation,
    cae=load_state(snakemake.input.cae),
    checkpoint=snakemake.params.checkpoint,
    code=code,
)
write_table(snakemake.output.curves, history)
save_weights(
    snakemake.output.weights,
    classifier,
    name=name,
    entry=entry,
    training={**train.summary(), "code": code},
)
