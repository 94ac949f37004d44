"""Rule evaluate_slide: a slide's patches, map and burden against its truth."""

from microtome.evaluation.metrics import evaluate_slide
from microtome.inference.score_store import open_scores
from microtome.io.atomic import read_json, write_json
from microtome.logs import start_log
from microtome.rasters.label_tiff import open_raster

start_log(snakemake.log[0])
write_json(
    snakemake.output.metrics,
    evaluate_slide(
        snakemake.wildcards.slide,
        scores=open_scores(snakemake.input.scores, member=snakemake.params.member),
        labels=open_raster(snakemake.input.tumour),
        truth=open_raster(snakemake.input.truth),
        burden=read_json(snakemake.input.burden)["burden"],
        true_burden=read_json(snakemake.input.truth_status)["burden"],
        label_rule=snakemake.params.label_rule,
        min_tumour_fraction=snakemake.params.min_tumour_fraction,
        **snakemake.params.kept,
        **snakemake.params.evaluation,
    ),
)
