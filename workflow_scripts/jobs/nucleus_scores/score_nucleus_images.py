"""Rule score_nucleus_images: a model's predictions of labelled images against their truth."""

from microtome.io.atomic import write_json
from microtome.io.tables import write_table
from microtome.logs import start_log
from microtome.nucleus_scores.scoring_step import score_model

start_log(snakemake.log[0])
scores = score_model(
    snakemake.wildcards.model,
    snakemake.params.entry,
    rows=snakemake.params.images,
    predictions=snakemake.input.predictions,
    tested=snakemake.params.tested,
    threshold=snakemake.params.threshold,
    chosen=snakemake.input.get("threshold"),
    match_um=snakemake.params.match_um,
)
write_table(snakemake.output.images, scores.pop("images"))
write_json(snakemake.output.scores, scores)
