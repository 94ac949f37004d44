"""Rule cohort: every slide of the sheet, with its state."""

from microtome.cohort_table import check_policy, cohort_rows
from microtome.logs import start_log
from microtome.tables import write_table

start_log(snakemake.log[0])
rows = cohort_rows(snakemake.params.sheet, snakemake.params.statuses)
check_policy(rows, snakemake.params.bad_slides)
write_table(snakemake.output.table, rows)
