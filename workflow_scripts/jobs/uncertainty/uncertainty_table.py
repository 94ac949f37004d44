"""Rule uncertainty_table: how uncertain the maps of all scored slides are."""

from microtome.io.atomic import read_json
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
write_table(snakemake.output.table, map(read_json, snakemake.input.summaries))
