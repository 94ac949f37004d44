"""Rule score_table: the submissions to a challenge side by side."""

from microtome.challenges.score_table import score_rows
from microtome.io.atomic import read_json
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
scores = map(read_json, snakemake.input.scores)
rows = score_rows(dict(zip(snakemake.params.submissions, scores, strict=True)))
write_table(snakemake.output.table, rows)
