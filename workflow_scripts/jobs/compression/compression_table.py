"""Rule compression_table: how all slides were compressed."""

from microtome.io.atomic import read_json
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
write_table(snakemake.output.table, map(read_json, snakemake.input.qualities))
