"""Rule nucleus_count_table: the counts of all slides."""

from microtome.io.atomic import read_json
from microtome.io.tables import write_table
from microtome.logs import start_log
from microtome.nuclei.counts import list_counts

start_log(snakemake.log[0])
rows, columns = list_counts(map(read_json, snakemake.input.counts))
write_table(snakemake.output.table, rows, columns=columns)
