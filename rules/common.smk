# What all rules ask: config and sheet, checked, and what is planned for slides and models.

import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import IncompleteCheckpointException, WorkflowError
from snakemake.logging import logger

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
SCHEMAS = Path(workflow.basedir) / "rules" / "schemas"
DEMO_COHORT = "demo/cohort"
sys.path.insert(0, str(SCRIPTS))

from microtome.cohort.sheet_rows import list_usable_slides, load_sheet
from microtome.errors import InputError
from microtome.planning.code_hash import code_hash, code_hash_of_all
from microtome.planning.cohort import Cohort
from microtome.planning.given_files import GivenFiles
from microtome.planning.models import Models
from microtome.planning.params import canonical, compare_by_name
from microtome.planning.requests import Requests, more_each_retry
from microtome.planning.results import Results
from microtome.planning.staging import Staging
from microtome.planning.submissions import DemoTruth, Submissions
from microtome.planning.training_checks import require_slides

# False where Snakemake runs in a job: each job parses all this again, and must be quick to start.
IS_DRIVER = workflow.is_main_process


def usable():
    """The slides that no step excluded; known after the checkpoint."""
    # A job that asks began after it, and knows no checkpoint (see the Snakefile).
    table = checkpoints.cohort.get().output.table if IS_DRIVER else "results/cohort.tsv"
    return list_usable_slides(table)


def settle(settings):
    """Give equal settings one form: 1 for 1.0, keys in order."""
    settings.update(canonical(settings, sort_keys=True))


try:
    if IS_DRIVER:
        from microtome.cohort.config_checks import (
            check_config,
            check_config_files,
            read_sheet,
        )
        from microtome.planning.cohort_checks import check_cohort, list_notes

        check_config_files(workflow.configfiles)
        check_config(config, schema=SCHEMAS / "config.schema.yaml")
        settle(config)
        SHEET = read_sheet(
            config["slides"],
            schema=SCHEMAS / "slides.schema.yaml",
            made_by_workflow=DEMO_COHORT,
        )
    else:
        settle(config)
        SHEET = load_sheet(config["slides"])
    MODELS = Models(config)
    COHORT = Cohort(SHEET, config, MODELS, usable)
    if IS_DRIVER:
        check_cohort(COHORT, config, path=config["slides"])
        for note in list_notes(COHORT):
            logger.warning(f"note: {note}")
except InputError as error:
    raise WorkflowError(str(error)) from None

# If unset, networks may run on the CPU here, and not in a job that asked for a GPU.
ALLOW_CPU = config["allow_cpu"]
config["allow_cpu"] = not workflow.remote_exec if ALLOW_CPU is None else ALLOW_CPU


def uses_gpu():
    """Say whether networks run on GPUs for sure; known once the executor is."""
    if ALLOW_CPU is None:
        return workflow.remote_exec or not workflow.local_exec
    return not ALLOW_CPU


RESULTS = Results(COHORT)
STAGING = Staging(COHORT, config)
SUBMISSIONS = Submissions(COHORT, STAGING, config)
DEMO_TRUTH = DemoTruth(COHORT, DEMO_COHORT)
GIVEN = GivenFiles(
    COHORT,
    config,
    made_here=[DEMO_COHORT, "results/submissions"],
    is_driver=IS_DRIVER,
)
REQUESTS = Requests(COHORT, STAGING, config, uses_gpu=uses_gpu)


def planned(answer, *names, **settings):
    """Make an input or params function: what a method answers to some wildcards and settings."""

    def value(wildcards):
        try:
            return answer(*(wildcards[name] for name in names), **settings)
        except InputError as error:
            raise WorkflowError(str(error)) from None

    return value


def asked(answer, rule):
    """Make a resource function: what a rule's job asks for; more at each retry."""

    def value(wildcards, input, threads, attempt):
        return answer(rule, dict(wildcards.items()), input, threads, attempt)

    return value


def code(script, *names):
    """Hash of a script and the library behind it: a rule reruns when what it does changes.

    With "model", networks of other kinds than those of the job's model do not count.
    """

    @cache
    def hashed(model=None):
        kinds = MODELS.kinds_of_members(model) if model else None
        return code_hash(SCRIPTS / "jobs" / script, root=SCRIPTS, kinds=kinds)

    # In a job a function that gives it: only the hashes of the job's own rules are needed there.
    return hashed() if IS_DRIVER and not names else planned(hashed, *names)


def report_cohort():
    """Say how many slides are used, and why others are not: the last lines of the console."""
    from microtome.cohort.summary import summarize_cohort

    try:
        table = checkpoints.cohort.get().output.table
    except IncompleteCheckpointException:
        return
    logger.warning("\n".join(summarize_cohort(table)), extra={"is_last": True})


def report_run():
    """What a run on a cluster took and came through: results/run_report."""
    from microtome.run_report import write_run_report

    if not workflow.local_exec:
        write_run_report(".")
