"""Rule classify_nodes: the class of every lymph node."""

from microtome.io.tables import write_table
from microtome.logs import start_log
from microtome.staging.forest_step import classify
from microtome.staging.node_classes import COLUMNS

start_log(snakemake.log[0])
rows = classify(
    snakemake.input.table,
    forests=snakemake.input.get("forests"),
    cross_validation=snakemake.input.get("cross_validation"),
    spacing_um=snakemake.params.spacing_um,
)
write_table(snakemake.output.nodes, rows, columns=COLUMNS)
