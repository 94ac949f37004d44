"""Records of Snakemake, and the events that are made of them."""

import logging

# What the workflow of these tests calls its jobs.
NAMING = {
    "about": "slide",
    "apart": "model",
    "together": ["prepare", "tables"],
    "stages": {
        "prepare": ["inspect_slide", "tissue_mask", "patch_grid"],
        "score": ["score_slide"],
        "maps": ["stitch_heatmap", "tumour_burden", "tumour_polygons", "slide_figure"],
        "evaluate": ["evaluate_slide"],
        "compress": ["compress_slide"],
        "tables": ["cohort"],
    },
}
STARTED = {"t": 0.0, "event": "run_started", "stages": NAMING}
SCORE = ("score", "histocae1")
JOB = {"rule": "score_slide", "wildcards": {"slide": "a", "model": "histocae1"}, "log": ["a.log"]}


def submitted(number, t=0.0, **what):
    """An event of a job sent."""
    return {"t": t, "event": "job_submitted", "job": number, **JOB, **what}


def record(event, **what):
    """A record as Snakemake makes it."""
    found = logging.LogRecord("snakemake", logging.INFO, "", 0, what.pop("msg", ""), None, None)
    found.event = event
    found.__dict__.update(what)
    return found


def job_info(number, **what):
    """Snakemake's record of a job that is sent."""
    given = {
        "jobid": number,
        "rule_name": "score_slide",
        "wildcards": {"slide": "a", "model": "m"},
        "log": [f"{number}.log"],
        "benchmark": None,
        "threads": 4,
        "resources": {"mem_mb": 100, "runtime": 30, "gpu": 1, "_cores": 4},
        "local": False,
        "output": ["o"],
        "shellcmd": None,
        **what,
    }
    return record("job_info", **given)


def job_error(number, **what):
    """Snakemake's record of a job that failed."""
    return record(
        "job_error", **{"jobid": number, "log": [f"{number}.log"], "rule_msg": None, **what}
    )
