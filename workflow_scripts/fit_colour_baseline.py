"""Rule fit_colour_baseline: what colour alone gives away."""

from microtome.colour_fitting import fit_colour
from microtome.devices import use_threads
from microtome.logs import start_log
from microtome.registry import save_weights
from microtome.scratch import on_scratch
from microtome.training_data import data_of_rule, open_training_data, slides_of_rule

start_log(snakemake.log[0])
use_threads(snakemake.threads)
name = snakemake.wildcards.model
slides = slides_of_rule(snakemake.input)
with on_scratch(slides, folder=snakemake.config["scratch_dir"]) as copies:
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
