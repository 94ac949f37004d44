"""Rule extract_patches: the patches of a slide that are worth training on."""

from microtome.files import read_json
from microtome.grids import Grid
from microtome.inspection import open_inspected
from microtome.logs import start_log
from microtome.patch_stores import write_patches
from microtome.patches import read_patches

start_log(snakemake.log[0])
name = snakemake.wildcards.slide
info = read_json(snakemake.input.inspected)
grid = Grid.load(snakemake.input.grid)
grid = grid.subset(grid.tissue_fraction > snakemake.params.min_tissue_fraction)
with open_inspected(info, name=name, **snakemake.params.slide) as slide:
    write_patches(
        snakemake.output.patches,
        read_patches(slide, grid),
        grid,
        origin={"slide": name, "path": info["path"], "code": snakemake.params.code},
        **snakemake.params.patches,
    )
