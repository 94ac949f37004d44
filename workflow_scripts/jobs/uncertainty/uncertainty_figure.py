"""Rule uncertainty_figure: where a model is unsure, beside its heatmap."""

from microtome.logs import start_log
from microtome.uncertainty.figure import draw_uncertainty

start_log(snakemake.log[0])
draw_uncertainty(
    snakemake.output.figure,
    name=snakemake.wildcards.slide,
    model=snakemake.wildcards.model,
    overview=snakemake.input.overview,
    tissue=snakemake.input.tissue,
    heatmap=snakemake.input.heatmap,
    tumour=snakemake.input.tumour,
    uncertainty=dict(zip(snakemake.params.kinds, snakemake.input.uncertainty, strict=True)),
    summary=snakemake.input.summary,
    truth=snakemake.input.get("truth"),
)
