"""Rule training_losses: the losses of all networks of the run in one picture."""

from microtome.io.tables import read_table
from microtome.logs import start_log
from microtome.training.curves_figure import losses_figure

start_log(snakemake.log[0])
losses_figure(
    snakemake.output.figure,
    map(read_table, snakemake.input.curves),
    networks=snakemake.params.networks,
)
