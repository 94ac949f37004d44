"""Rule count_pixels: how often a heatmap is right at each probability, and where it is unsure."""

from microtome.calibration.chosen_threshold import set_chosen_threshold
from microtome.calibration.pixel_counts import count_pixels, save_counts
from microtome.logs import start_log

start_log(snakemake.log[0])
chosen = set_chosen_threshold(snakemake.params.segmentation, snakemake.input.get("calibration"))
save_counts(
    snakemake.output.counts,
    count_pixels(
        heatmap=snakemake.input.heatmap,
        tissue=snakemake.input.tissue,
        truth=snakemake.input.truth,
        uncertainty=dict(zip(snakemake.params.kinds, snakemake.input.uncertainty, strict=True)),
        threshold=chosen["threshold"],
    ),
)
