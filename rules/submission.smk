rule submission_mask:
    """Viable tumour at the slide's full size, as PAIP 2019 asks for it."""
    input:
        tumour="results/tumour/{model}/{slide}.tif",
        inspected="results/slides/{slide}.json",
    output:
        mask="results/submissions/paip2019/{model}/{slide}.tif",
    log:
        "logs/submission_mask/{model}/{slide}.log",
    benchmark:
        "benchmarks/submission_mask/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "submission_mask"),
        runtime=asked(REQUESTS.minutes, "submission_mask"),
    params:
        code=code("submission/submission_mask.py"),
    script:
        "../workflow_scripts/jobs/submission/submission_mask.py"


rule submission_image:
    """Viable tumour at the image's full size, black and white, for DigestPath."""
    input:
        tumour="results/tumour/{model}/{slide}.tif",
        inspected="results/slides/{slide}.json",
    output:
        mask="results/submissions/digestpath/{model}/{slide}.png",
    log:
        "logs/submission_image/{model}/{slide}.log",
    benchmark:
        "benchmarks/submission_image/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "submission_image"),
        runtime=asked(REQUESTS.minutes, "submission_image"),
    params:
        code=code("submission/submission_image.py"),
    script:
        "../workflow_scripts/jobs/submission/submission_image.py"


rule write_submission:
    """One archive that a challenge would accept, checked, with what it was made from."""
    input:
        files=planned(SUBMISSIONS.files, "challenge", "model"),
        inspected=planned(SUBMISSIONS.inspected, "challenge", "model"),
        weights=planned(SUBMISSIONS.networks, "challenge", "model"),
        sheet=config["slides"],
        cohort="results/cohort.tsv",
    output:
        archive="results/submissions/{challenge}/{model}.zip",
        provenance="results/submissions/{challenge}/{model}.json",
    log:
        "logs/write_submission/{challenge}/{model}.log",
    benchmark:
        "benchmarks/write_submission/{challenge}/{model}.tsv"
    wildcard_constraints:
        model=SUBMISSIONS.models(),
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(2000),
        runtime=more_each_retry(240),
    params:
        cases=planned(SUBMISSIONS.cases, "challenge", "model"),
        config=planned(SUBMISSIONS.config_of_results),
        scripts=planned(code_hash_of_all, folder=SCRIPTS / "jobs", root=SCRIPTS),
        code=code("submission/write_submission.py"),
    script:
        "../workflow_scripts/jobs/submission/write_submission.py"
