"""Rule training_curves: loss and accuracy per epoch as a picture."""

from microtome.io.tables import read_table
from microtome.logs import start_log
from microtome.training.curves_figure import curves_figure

start_log(snakemake.log[0])
curves_figure(
    snakemake.output.figure,
    read_table(snakemake.input.curves),
    title=f"{snakemake.wildcards.model}: {snakemake.wildcards.run}",
)
