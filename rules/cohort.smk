# The slides of the sheet, and what became of each of them.

from snakemake.exceptions import IncompleteCheckpointException


def report_cohort():
    """Say how many slides are used, and why others are not: the last lines of the console."""
    from microtome.cohort.summary import summarize_cohort

    try:
        table = checkpoints.cohort.get().output.table
    except IncompleteCheckpointException:
        return
    logger.warning("\n".join(summarize_cohort(table)), extra={"is_last": True})


checkpoint cohort:
    """List every slide of the sheet with its state; what follows uses those that are ok."""
    input:
        statuses=planned(COHORT.all_statuses),
    output:
        table=report(
            "results/cohort.tsv",
            caption="captions/cohort.rst",
            category="1 Cohort",
            labels={"table": "slides and their state"},
        ),
    log:
        "logs/cohort.log",
    benchmark:
        "benchmarks/cohort.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        sheet=SHEET,
        statuses=planned(COHORT.statuses),
        bad_slides=config["bad_slides"],
        code=code("cohort/cohort.py"),
    script:
        "../workflow_scripts/jobs/cohort/cohort.py"
