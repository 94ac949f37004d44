"""Rule fit_colour_baseline: what colour alone gives away."""

from microtome.logs import start_log
from microtome.networks.devices import use_threads
from microtome.networks.registry import save_weights
from microtome.parallel.local_copies import copy_to_scratch
from microtome.training.colour_baseline import fit_colour
from microtome.training.open_data import data_of_rule, open_training_data, slides_of_rule

start_log(snakemake.log[0])
use_threads(snakemake.threads)
name = snakemake.wildcards.model
slides = slides_of_rule(snakemake.input)
with copy_to_scratch(slides, folder=snakemake.config["scratch_dir"]) as copies:
    data = data_of_rule(snakemake.input, snakemake.params.data, copies=copies)
    train = open_training_data(**data["train"], labelled=True, workers=snakemake.threads)
    train.require_both_classes(f"models.{name}: training")
    save_weights(
        snakemake.output.weights,
        fit_colour(train),
        name=name,
        entry=snakemake.params.entry,
        training={**train.summary(), "code": snakemake.params.code},
    )
