"""Rule compare_models: the models of a run side by side, in tables, tests and a figure."""

from microtome.evaluation.comparison import (
    cost_rows,
    describe_models,
    model_rows,
    patch_counts,
    rows_of_tests,
    slide_values,
    summarize,
    table1_rows,
)
from microtome.evaluation.comparison_figure import draw_comparison
from microtome.evaluation.confusion_figure import draw_confusion
from microtome.io.atomic import atomic, read_json
from microtome.io.tables import read_table, write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
trained = describe_models(
    snakemake.params.models,
    cohorts=map(read_json, snakemake.input.cohorts),
    slides=map(read_table, snakemake.input.slides),
    cards=map(read_json, snakemake.input.cards),
)
rows, values = model_rows(trained), slide_values(trained)
tests = rows_of_tests(values)
write_table(snakemake.output.table, rows)
write_table(snakemake.output.table1, table1_rows(rows))
write_table(snakemake.output.tests, tests)
write_table(snakemake.output.costs, cost_rows(trained, snakemake.params.benchmarks))
draw_comparison(snakemake.output.figure, values)
draw_confusion(snakemake.output.confusion, patch_counts(trained))
with atomic(snakemake.output.text) as temporary:
    temporary.write_text(summarize(trained, tests))
