"""Rule slide_figure: slide, truth, heatmap and tumour map side by side."""

from microtome.figure_step import draw_slide
from microtome.logs import start_log

start_log(snakemake.log[0])
draw_slide(
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
