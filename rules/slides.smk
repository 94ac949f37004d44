rule inspect_slide:
    """Open a slide and note its levels and spacing, or what is wrong with it."""
    input:
        slide=planned(COHORT.path, "slide"),
    output:
        status="results/slides/{slide}.json",
    log:
        "logs/inspect_slide/{slide}.log",
    benchmark:
        "benchmarks/inspect_slide/{slide}.tsv"
    group:
        "prepare"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "inspect_slide"),
        runtime=asked(REQUESTS.minutes, "inspect_slide"),
    params:
        row=planned(COHORT.cells, "slide", columns=["path", "spacing_um"]),
        slide=config["slide"],
        given=planned(GIVEN.of_slide, "slide", columns=["path"], step="slides"),
        code=code("slides/inspect_slide.py"),
    script:
        "../workflow_scripts/jobs/slides/inspect_slide.py"
