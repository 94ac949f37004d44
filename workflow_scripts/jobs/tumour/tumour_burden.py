"""Rule tumour_burden: viable tumour, whole tumour by the convex hull, and the viable share."""

from microtome.calibration.chosen_threshold import set_chosen_threshold
from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.patches.zarr_groups import open_store
from microtome.tumour.step import map_tumour

start_log(snakemake.log[0])
found = map_tumour(
    snakemake.output.tumour,
    heatmap=snakemake.input.heatmap,
    tissue=snakemake.input.tissue,
    segmentation=set_chosen_threshold(
        snakemake.params.segmentation, snakemake.input.get("calibration")
    ),
)
unreadable = open_store(snakemake.input.scores).attrs["unreadable_patches"]
write_json(
    snakemake.output.burden,
    {"slide": snakemake.wildcards.slide, **found, "unreadable_patches": unreadable},
)
