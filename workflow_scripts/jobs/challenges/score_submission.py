"""Rule score_submission: official scores of a submission, from it and the truth alone."""

from pathlib import Path

from microtome.challenges.scoring_step import score_submission
from microtome.io.atomic import write_json
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
scores, cases = score_submission(
    snakemake.wildcards.challenge,
    submission=Path(snakemake.input.submission),
    truth=Path(snakemake.input.truth),
)
write_json(snakemake.output.scores, scores)
write_table(snakemake.output.cases, cases)
