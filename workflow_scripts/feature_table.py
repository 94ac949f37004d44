"""Rule feature_table: the features of all lymph nodes."""

from microtome.logs import start_log
from microtome.node_features import COLUMNS, feature_rows
from microtome.tables import write_table

start_log(snakemake.log[0])
write_table(
    snakemake.output.table,
    feature_rows(snakemake.params.slides, snakemake.input.features, snakemake.params.rows),
    columns=COLUMNS,
)
