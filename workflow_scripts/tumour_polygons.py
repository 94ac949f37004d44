"""Rule tumour_polygons: the tumour map as outlines for QuPath."""

from microtome.files import read_json
from microtome.logs import start_log
from microtome.polygons import write_tumour_polygons
from microtome.rasters import open_raster

start_log(snakemake.log[0])
slide = read_json(snakemake.input.inspected)
write_tumour_polygons(
    snakemake.output.polygons,
    open_raster(snakemake.input.tumour),
    slide_size_px=(slide["width_px"], slide["height_px"]),
    slide_spacing_um=slide["spacing_um"],
)
