"""Rule vote_table: the class of all scored slides, and how many are called right."""

from microtome.io.atomic import read_json, write_json
from microtome.io.tables import write_table
from microtome.logs import start_log
from microtome.tumour.voting import count_right_votes

start_log(snakemake.log[0])
rows = list(map(read_json, snakemake.input.votes))
write_table(snakemake.output.table, rows)
write_json(snakemake.output.metrics, count_right_votes(rows))
