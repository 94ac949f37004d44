"""Rule tumour_burden: whole tumour by the convex hull, and the viable share of it."""

from microtome.inference.score_store import score_attributes
from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.rasters.label_tiff import open_raster, write_raster
from microtome.rasters.masks import resampled_rows
from microtome.tumour.burden import burden, tumour_map

start_log(snakemake.log[0])
viable, tissue = open_raster(snakemake.input.viable), open_raster(snakemake.input.tissue)
spacing_um, shape = viable.spacing_um, viable.shape
labels = tumour_map(
    viable.rows,
    resampled_rows(tissue.rows, tissue.shape, shape, ratio=spacing_um / tissue.spacing_um),
    shape,
)
write_raster(snakemake.output.tumour, labels, shape=shape, spacing_um=spacing_um)
unreadable = score_attributes(snakemake.input.scores)["unreadable_patches"]
write_json(
    snakemake.output.burden,
    {
        "slide": snakemake.wildcards.slide,
        **burden(open_raster(snakemake.output.tumour).rows, shape, spacing_um=spacing_um),
        "unreadable_patches": unreadable,
    },
)
