"""Rule patch_grid: where the patches of a slide lie, and what is in them."""

from microtome.cohort.exclusion import run_stage
from microtome.logs import start_log
from microtome.patches.grid_spec import GridSpec
from microtome.patches.grid_step import write_grid

start_log(snakemake.log[0])
run_stage(
    write_grid,
    status=snakemake.output.status,
    before=snakemake.input.earlier,
    outputs=[snakemake.output.grid],
    name=snakemake.wildcards.slide,
    spec=GridSpec.from_name(snakemake.wildcards.grid),
    inspected=snakemake.input.inspected,
    tissue=snakemake.input.tissue,
    truth=snakemake.input.get("truth"),
    grid=snakemake.output.grid,
    slide_settings=snakemake.params.slide,
    label_rule=snakemake.params.label_rule,
    min_tumour_fraction=snakemake.params.min_tumour_fraction,
)
