"""Rule slide_figure: slide, truth, heatmap and tumour map side by side."""

from microtome.logs import start_log
from microtome.tumour.figure import draw_slide_figure

start_log(snakemake.log[0])
draw_slide_figure(
    snakemake.output.figure,
    name=snakemake.wildcards.slide,
    model=snakemake.wildcards.model,
    overview=snakemake.input.overview,
    tissue=snakemake.input.tissue,
    heatmap=snakemake.input.heatmap,
    tumour=snakemake.input.tumour,
    burden=snakemake.input.burden,
    truth=snakemake.input.get("truth"),
)
