"""Rule patient_figure: the lymph nodes of a patient side by side."""

from microtome.io.tables import read_table
from microtome.logs import start_log
from microtome.staging.patient_figure import draw_patient

start_log(snakemake.log[0])
draw_patient(
    snakemake.output.figure,
    patient=snakemake.wildcards.patient,
    slides=snakemake.params.slides,
    nodes=read_table(snakemake.input.nodes),
    patients=read_table(snakemake.input.patients),
    overviews=snakemake.input.overviews,
    tissues=snakemake.input.tissues,
    heatmaps=snakemake.input.heatmaps,
)
