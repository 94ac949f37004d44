"""Rule train_classifier: the classifier of a HistoCAE model."""

from microtome.datasets import PatchData
from microtome.devices import use_threads
from microtome.histocae_training import train_from_cae
from microtome.logs import start_log
from microtome.registry import load_state, save_weights
from microtome.tables import write_table

start_log(snakemake.log[0])
use_threads(snakemake.threads)
name, entry, code = snakemake.wildcards.model, snakemake.params.entry, snakemake.params.code
train = PatchData(snakemake.input.train, labelled=True)
validation = PatchData(snakemake.input.validation, labelled=True)
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
