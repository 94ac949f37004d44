"""Microtome: from a sheet of whole-slide images to tumour maps, tumour burden and pN stages."""

from snakemake.utils import min_version

# The oldest that the profiles and plugins were tried with.
min_version("9.27")


configfile: workflow.source_path("config.yaml")


report: "rules/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/demo.smk"
include: "rules/slides.smk"
include: "rules/tissue.smk"
include: "rules/truth.smk"
include: "rules/patches.smk"
include: "rules/cohort.smk"
include: "rules/training.smk"
include: "rules/nucleus_training.smk"
include: "rules/inference.smk"
include: "rules/heatmaps.smk"
include: "rules/tumour.smk"
include: "rules/nuclei.smk"
include: "rules/nucleus_scores.smk"
include: "rules/uncertainty.smk"
include: "rules/evaluation.smk"
include: "rules/calibration.smk"
include: "rules/staging.smk"
include: "rules/challenges.smk"
include: "rules/submission.smk"
include: "rules/compression.smk"


wildcard_constraints:
    slide="[A-Za-z0-9_-][A-Za-z0-9._-]*",
    model="|".join(MODELS.runs),
    grid="[0-9.]+um_[0-9]+px_every[0-9]+px",
    patches="[0-9.]+um_[0-9]+px_every[0-9]+px(_with(_[0-9.]+um)+)?",
    spacing="[0-9.]+",
    patient="[A-Za-z0-9_-][A-Za-z0-9._-]*",
    submission="[^/]+",
    challenge="paip2019|camelyon16|camelyon17|digestpath",


# A job runs what it was told to. With a checkpoint among the rules it would first plan all that
# its inputs come from: for a cohort of thousands, minutes.
if not workflow.is_main_process:
    rules.cohort.rule.is_checkpoint = False


# A limit on GPUs is one of the machine that runs jobs itself; a cluster gives each job its own.
resource_scopes:
    gpu="local",


onsuccess:
    report_cohort()


onerror:
    report_cohort()


rule all:
    default_target: True
    input:
        planned(require_slides, cohort=COHORT, path=config["slides"]),
        "results/cohort.tsv",
        planned(MODELS.curves),
        planned(RESULTS.of_models, pattern="results/burden/{model}.tsv"),
        planned(RESULTS.of_slides, pattern="results/figures/{model}/{slide}.png"),
        planned(RESULTS.tissue_figures),
        planned(RESULTS.if_evaluated, path="results/evaluation/models.tsv"),
        planned(RESULTS.if_at_spacings, path="results/evaluation/spacings.csv"),
        planned(RESULTS.uncertainty),
        planned(
            RESULTS.of_models, pattern="results/votes/{model}.tsv", models=MODELS.votes
        ),
        planned(RESULTS.if_evaluated, path="results/evaluation/calibration.csv"),
        planned(RESULTS.of_slides, pattern="results/polygons/{model}/{slide}.geojson"),
        planned(STAGING.results),
        planned(SUBMISSIONS.archives),


# Behind all rules: equal params get one form, and what a driver compares is added to them.
for each in workflow.rules:
    compare_by_name(each, is_driver=IS_DRIVER)
