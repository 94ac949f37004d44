"""Rule extract_patches: the patches of a slide that are worth training on."""

from microtome.logs import start_log
from microtome.patches.store_step import extract_patches

start_log(snakemake.log[0])
extract_patches(
    snakemake.output.patches,
    name=snakemake.wildcards.slide,
    slide_path=snakemake.input.slide,
    inspected=snakemake.input.inspected,
    grid=snakemake.input.grid,
    threads=snakemake.threads,
    slide_settings=snakemake.params.slide,
    min_tissue_fraction=snakemake.params.min_tissue_fraction,
    spacings_um=snakemake.params.spacings_um,
    codec=snakemake.params.codec,
    store_settings=snakemake.params.store,
    code=snakemake.params.code,
    scratch_dir=snakemake.config["scratch_dir"],
)
