"""Rule summarize_uncertainty: what a slide's uncertainty maps come to."""

from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.uncertainty.summary import summarize

start_log(snakemake.log[0])
write_json(
    snakemake.output.summary,
    summarize(
        snakemake.wildcards.slide,
        maps=dict(zip(snakemake.params.kinds, snakemake.input.uncertainty, strict=True)),
        tissue=snakemake.input.tissue,
        tumour=snakemake.input.tumour,
        burden=snakemake.input.burden,
        of_members=snakemake.input.of_members,
    ),
)
