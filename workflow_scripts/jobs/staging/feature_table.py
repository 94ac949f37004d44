"""Rule feature_table: the features of all lymph nodes."""

from microtome.io.tables import write_table
from microtome.logs import start_log
from microtome.staging.feature_table import COLUMNS, feature_rows

start_log(snakemake.log[0])
write_table(
    snakemake.output.table,
    feature_rows(snakemake.params.slides, snakemake.input.features, snakemake.params.rows),
    columns=COLUMNS,
)
