# What all rules ask: config and sheet, checked, and what is planned for slides and models.

import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
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
from microtome.planning.nuclei import Nuclei
from microtome.planning.params import compare_by_name, settle
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


try:
    if IS_DRIVER:
        from microtome.planning.cohort_checks import check_cohort, check_settings

        SHEET = check_settings(
            config, files=workflow.configfiles, schemas=SCHEMAS, made_here=DEMO_COHORT
        )
    else:
        settle(config)
        SHEET = load_sheet(config["slides"])
    MODELS = Models(config)
    COHORT = Cohort(SHEET, config, MODELS, usable)
    if IS_DRIVER:
        for note in check_cohort(COHORT, config):
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
NUCLEI = Nuclei(COHORT, config, is_driver=IS_DRIVER)
STAGING = Staging(COHORT, config)
SUBMISSIONS = Submissions(COHORT, STAGING, config)
DEMO_TRUTH = DemoTruth(COHORT, DEMO_COHORT)
MADE_HERE = [DEMO_COHORT, "results/submissions"]
GIVEN = GivenFiles(COHORT, config, made_here=MADE_HERE, is_driver=IS_DRIVER)
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


def code(script, *names, kinds=None):
    """Hash of a script and the library behind it: a rule reruns when what it does changes.

    Networks of other kinds than `kinds`, or with "model" the job's model's, do not count.
    """

    @cache
    def hashed(model=None):
        of_job = MODELS.kinds_of_members(model) if model else kinds
        return code_hash(SCRIPTS / "jobs" / script, root=SCRIPTS, kinds=of_job)

    # In a job a function that gives it: only the hashes of the job's own rules are needed there.
    return hashed() if IS_DRIVER and not names else planned(hashed, *names)
