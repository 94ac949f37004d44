"""Rule tissue_figure: the stages of a slide's tissue mask, and the grid of patches over it."""

from microtome.logs import start_log
from microtome.tissue.figure import draw_tissue

start_log(snakemake.log[0])
draw_tissue(
    snakemake.output.figure,
    name=snakemake.wildcards.slide,
    overview=snakemake.input.overview,
    tissue=snakemake.input.tissue,
    grid=snakemake.input.grid,
    settings=snakemake.params.tissue,
)
