"""Rule tumour_burden: whole tumour by the convex hull, and the viable share of it."""

from microtome.files import write_json
from microtome.logs import start_log
from microtome.masks import resampled
from microtome.rasters import read_raster, write_array
from microtome.score_stores import score_attributes
from microtome.tumour import burden, tumour_map

start_log(snakemake.log[0])
viable, spacing_um = read_raster(snakemake.input.viable)
tissue, tissue_um = read_raster(snakemake.input.tissue)
labels = tumour_map(
    viable.astype(bool),
    resampled(tissue, viable.shape, ratio=spacing_um / tissue_um).astype(bool),
)
unreadable = score_attributes(snakemake.input.scores)["unreadable_patches"]
write_array(snakemake.output.tumour, labels, spacing_um=spacing_um)
write_json(
    snakemake.output.burden,
    {
        "slide": snakemake.wildcards.slide,
        **burden(labels, spacing_um=spacing_um),
        "unreadable_patches": unreadable,
    },
)
