"""Rule choose_nucleus_threshold: the threshold of a model's detections, by validation images."""

from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.nucleus_scores.threshold_step import choose_threshold

start_log(snakemake.log[0])
write_json(
    snakemake.output.threshold,
    choose_threshold(
        snakemake.wildcards.model,
        rows=snakemake.params.images,
        predictions=snakemake.input.predictions,
        validated=snakemake.params.validated,
        match_um=snakemake.params.match_um,
    ),
)
