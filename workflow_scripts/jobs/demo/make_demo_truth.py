"""Rule make_demo_truth: truth of the demo cohort's test slides, in a challenge's own layout."""

from microtome.demo.challenge_truth import write_truth
from microtome.logs import start_log

start_log(snakemake.log[0])
write_truth(
    snakemake.output.folder,
    challenge=snakemake.wildcards.challenge,
    slides=snakemake.params.slides,
    files=snakemake.input.get("files", []),
    statuses=snakemake.input.get("statuses", []),
    rows=snakemake.params.rows,
)
