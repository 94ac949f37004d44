"""Rule nucleus_figure: a slide, the density of its nuclei, and what was found at two places."""

from microtome.io.atomic import read_json
from microtome.logs import start_log
from microtome.nuclei.figure import draw_nucleus_figure
from microtome.nuclei.table import read_nuclei
from microtome.slides.inspection import open_inspected, read_inspected

start_log(snakemake.log[0])
info = read_inspected(snakemake.input.inspected, slide_path=snakemake.input.slide)
with open_inspected(info, name=snakemake.wildcards.slide, **snakemake.params.slide) as slide:
    draw_nucleus_figure(
        snakemake.output.figure,
        read_nuclei(snakemake.input.nuclei, ["x_um", "y_um"]),
        model=snakemake.wildcards.model,
        slide=slide,
        overview=snakemake.input.overview,
        tissue=snakemake.input.tissue,
        density=snakemake.input.density,
        counts=read_json(snakemake.input.counts)["regions"],
    )
