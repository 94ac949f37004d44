"""Rule vote_slide: the class of a slide by the majority of classifiers or of patches."""

from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.tumour.voting import vote_on_slide

start_log(snakemake.log[0])
write_json(
    snakemake.output.vote,
    vote_on_slide(
        slide=snakemake.wildcards.slide,
        scores=dict(zip(snakemake.params.members, snakemake.input.scores, strict=True)),
        majority=snakemake.params.majority,
        truth=snakemake.input.get("truth"),
        label=snakemake.params.row.get("label"),
    ),
)
