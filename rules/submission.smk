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
        mem_mb=mb_of("submission_mask"),
        runtime=min_of("submission_mask"),
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
        mem_mb=mb_of("submission_image"),
        runtime=min_of("submission_image"),
    params:
        code=code("submission/submission_image.py"),
    script:
        "../workflow_scripts/jobs/submission/submission_image.py"


rule write_submission:
    """One archive that a challenge would accept, checked, with what it was made from."""
    input:
        files=submitted_files,
        inspected=inspected_slides,
        weights=networks_of_submission,
        sheet=config["slides"],
        cohort="results/cohort.tsv",
    output:
        archive="results/submissions/{challenge}/{model}.zip",
        provenance="results/submissions/{challenge}/{model}.json",
    log:
        "logs/write_submission/{challenge}/{model}.log",
    benchmark:
        "benchmarks/write_submission/{challenge}/{model}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(240),
    params:
        cases=submitted_cases,
        config=config_of_results,
        scripts=code_of_all,
        code=code("submission/write_submission.py"),
    script:
        "../workflow_scripts/jobs/submission/write_submission.py"
