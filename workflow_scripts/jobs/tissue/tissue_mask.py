"""Rule tissue_mask: where the tissue of a slide is."""

from microtome.cohort.exclusion import run_stage
from microtome.logs import start_log
from microtome.tissue.step import make_tissue

start_log(snakemake.log[0])
run_stage(
    make_tissue,
    status=snakemake.output.status,
    before=[snakemake.input.inspected],
    outputs=[snakemake.output.mask, snakemake.output.overview],
    name=snakemake.wildcards.slide,
    slide_path=snakemake.input.slide,
    inspected=snakemake.input.inspected,
    mask=snakemake.output.mask,
    overview=snakemake.output.overview,
    slide_settings=snakemake.params.slide,
    tissue_settings=snakemake.params.tissue,
)
