"""Rule slide_features: what the tumour regions of a heatmap are like."""

from microtome.calibration.chosen_threshold import set_chosen_threshold
from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.staging.feature_step import node_features

start_log(snakemake.log[0])
settings = set_chosen_threshold(snakemake.params.segmentation, snakemake.input.get("calibration"))
write_json(
    snakemake.output.features,
    node_features(
        snakemake.input.heatmap,
        tissue=snakemake.input.tissue,
        threshold=settings["threshold"],
        merge_um=snakemake.params.merge_um,
    ),
)
