"""Rule uncertainty_table: how uncertain the maps of all scored slides are."""

from microtome.files import read_json
from microtome.logs import start_log
from microtome.tables import write_table

start_log(snakemake.log[0])
write_table(snakemake.output.table, map(read_json, snakemake.input.summaries))
