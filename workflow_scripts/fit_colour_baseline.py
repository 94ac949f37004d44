"""Rule fit_colour_baseline: what colour alone gives away."""

from microtome.colour_fitting import fit_colour
from microtome.devices import use_threads
from microtome.logs import start_log
from microtome.registry import save_weights
from microtome.training_data import open_training_data

start_log(snakemake.log[0])
use_threads(snakemake.threads)
name, code = snakemake.wildcards.model, snakemake.params.code
settings = {"labelled": True, "workers": snakemake.threads, **snakemake.params.data}
train = open_training_data(snakemake.input.train, snakemake.input.train_slides, **settings)
train.require_both_classes(f"models.{name}: training")
save_weights(
    snakemake.output.weights,
    fit_colour(train),
    name=name,
    entry=snakemake.params.entry,
    training={**train.summary(), "code": code},
)
