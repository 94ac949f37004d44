"""Rule compare_nuclei: Tables 3 to 7 of the crosswise sparse autoencoder's paper."""

from microtome.io.atomic import atomic, read_json
from microtome.io.tables import write_table
from microtome.logs import start_log
from microtome.nucleus_scores.comparison import (
    ATTRIBUTE_COLUMNS,
    attribute_rows,
    cost_rows,
    group_runs,
    make_tables,
)
from microtome.nucleus_scores.curve_figure import draw_curves
from microtome.nucleus_scores.table_texts import write_text

start_log(snakemake.log[0])
scores = [read_json(path) for path in snakemake.input.scores]
models = group_runs(snakemake.params.models, scores)
each = attribute_rows(models)
for name, table in make_tables(models).items():
    write_table(snakemake.output[name], table.rows, columns=table.columns)
    with atomic(snakemake.output[f"{name}_text"]) as temporary:
        temporary.write_text(write_text(table, each=each if name == "attributes" else ()))
costs = cost_rows(snakemake.params.models, scores, snakemake.params.benchmarks)
write_table(snakemake.output.costs, costs)
write_table(snakemake.output.each_attribute, each, columns=ATTRIBUTE_COLUMNS)
draw_curves(snakemake.output.figure, list(zip(snakemake.params.models, scores, strict=True)))
