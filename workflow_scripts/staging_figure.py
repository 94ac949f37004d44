"""Rule staging_figure: how classes and stages agree with the labels, and what forests look at."""

from microtome.files import read_json
from microtome.logs import start_log
from microtome.staging_figure import staging_figure
from microtome.tables import read_table

start_log(snakemake.log[0])
importances = snakemake.input.get("importances")
staging_figure(
    snakemake.output.figure,
    nodes=read_table(snakemake.input.nodes),
    patients=read_table(snakemake.input.patients),
    agreement=read_json(snakemake.input.agreement),
    importances=read_table(importances) if importances else [],
)
