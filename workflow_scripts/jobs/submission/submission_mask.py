"""Rule submission_mask: viable tumour at the slide's full size, for PAIP 2019."""

from microtome.io.atomic import read_json
from microtome.logs import start_log
from microtome.rasters.label_tiff import open_raster
from microtome.submission.files import write_mask_tiff

start_log(snakemake.log[0])
slide = read_json(snakemake.input.inspected)
write_mask_tiff(
    snakemake.output.mask,
    open_raster(snakemake.input.tumour),
    size_px=(slide["width_px"], slide["height_px"]),
    spacing_um=slide["spacing_um"],
)
