"""Rule compare_spacings: accuracy of the networks that are there at several spacings."""

from microtome.evaluation.spacings import spacing_rows
from microtome.io.tables import read_table, write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
rows = spacing_rows(read_table(*snakemake.input.models), snakemake.params.at_spacings)
write_table(snakemake.output.table, rows)
