"""Rule evaluate_slide: a slide's patches, map and burden against its truth."""

from microtome.evaluation import evaluate_slide
from microtome.files import read_json, write_json
from microtome.logs import start_log
from microtome.rasters import open_raster
from microtome.score_stores import open_scores

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
        **snakemake.params.evaluation,
    ),
)
