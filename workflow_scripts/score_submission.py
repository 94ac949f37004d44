"""Rule score_submission: official scores of a submission, from it and the truth alone."""

from pathlib import Path

from microtome.challenge_truth import score_submission
from microtome.files import write_json
from microtome.logs import start_log
from microtome.tables import write_table

start_log(snakemake.log[0])
scores, cases = score_submission(
    snakemake.wildcards.challenge,
    submission=Path(snakemake.input.submission),
    truth=Path(snakemake.input.truth),
)
write_json(snakemake.output.scores, scores)
write_table(snakemake.output.cases, cases)
