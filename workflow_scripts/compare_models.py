"""Rule compare_models: the models of a run side by side."""

from microtome.comparison import comparison_rows, summary
from microtome.files import atomic, read_json
from microtome.logs import start_log
from microtome.tables import read_table, write_table

start_log(snakemake.log[0])
cohorts = dict(zip(snakemake.params.models, map(read_json, snakemake.input.cohorts), strict=True))
slides = dict(zip(snakemake.params.models, map(read_table, snakemake.input.slides), strict=True))
write_table(snakemake.output.table, comparison_rows(cohorts))
with atomic(snakemake.output.text) as temporary:
    temporary.write_text(summary(cohorts, slides))
