"""Rule tumour_polygons: the tumour map as outlines for QuPath."""

from microtome.io.atomic import read_json
from microtome.logs import start_log
from microtome.rasters.label_tiff import open_raster
from microtome.tumour.polygons import write_tumour_polygons

start_log(snakemake.log[0])
slide = read_json(snakemake.input.inspected)
write_tumour_polygons(
    snakemake.output.polygons,
    open_raster(snakemake.input.tumour),
    slide_size_px=(slide["width_px"], slide["height_px"]),
    slide_spacing_um=slide["spacing_um"],
    bounds_px=slide["bounds_px"],
)
