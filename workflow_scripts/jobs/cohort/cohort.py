"""Rule cohort: every slide of the sheet, with its state."""

from microtome.cohort.table import check_policy, list_slides
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
rows = list_slides(snakemake.params.sheet, snakemake.params.statuses)
check_policy(rows, snakemake.params.bad_slides)
write_table(snakemake.output.table, rows)
