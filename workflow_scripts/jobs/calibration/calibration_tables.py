"""Rule calibration_tables: calibration of all models, and what their uncertainty is worth."""

from microtome.calibration.figure import reliability_figure
from microtome.calibration.pixel_counts import (
    calibration_rows,
    codes_by_model,
    error_detection_rows,
)
from microtome.calibration.ranking import rank_pixels
from microtome.calibration.ranking_figure import draw_rankings
from microtome.calibration.tables import intervals_of, read_counts
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
found = read_counts(snakemake.params.models, snakemake.input.counts)
intervals = intervals_of(
    snakemake.params.models,
    tables=dict(zip(snakemake.params.intervals, snakemake.input.intervals, strict=True)),
    evaluations=snakemake.input.slides,
)
codes = codes_by_model((model, counts) for model, _, counts in found)
rankings = {model: rank_pixels(counts) for model, counts in codes.items()}
write_table(snakemake.output.calibration, calibration_rows(codes, rankings))
write_table(snakemake.output.uncertainty, error_detection_rows(found, intervals))
reliability_figure(snakemake.output.figure, codes)
draw_rankings(snakemake.output.curves, rankings)
