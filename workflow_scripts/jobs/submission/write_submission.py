"""Rule write_submission: one archive that a challenge would accept, and what it was made from."""

from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.submission.provenance import describe_submission
from microtome.submission.step import write_submission

start_log(snakemake.log[0])
challenge = snakemake.wildcards.challenge
cases = write_submission(
    snakemake.output.archive,
    challenge=challenge,
    cases=snakemake.params.cases,
    files=snakemake.input.files,
    inspected=snakemake.input.get("inspected", []),
    cohort=snakemake.input.cohort,
)
write_json(
    snakemake.output.provenance,
    describe_submission(
        challenge=challenge,
        config=snakemake.params.config,
        code=snakemake.params.scripts,
        files=[snakemake.input.sheet, *snakemake.input.get("weights", [])],
        archive=snakemake.output.archive,
        cases=cases,
    ),
)
