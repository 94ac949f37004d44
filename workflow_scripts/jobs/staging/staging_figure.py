"""Rule staging_figure: how classes and stages agree with the labels, and what forests look at."""

from microtome.io.atomic import read_json
from microtome.io.tables import read_table
from microtome.logs import start_log
from microtome.staging.agreement_figure import draw_agreement

start_log(snakemake.log[0])
importances = snakemake.input.get("importances")
draw_agreement(
    snakemake.output.figure,
    nodes=read_table(snakemake.input.nodes),
    patients=read_table(snakemake.input.patients),
    agreement=read_json(snakemake.input.agreement),
    importances=read_table(importances) if importances else [],
)
