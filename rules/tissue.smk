rule tissue_mask:
    """Tell tissue from glass, padding and pen at low resolution."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
    output:
        status="results/tissue/{slide}.json",
        mask="results/tissue/{slide}.tif",
        overview="results/overviews/{slide}.jpg",
    log:
        "logs/tissue_mask/{slide}.log",
    benchmark:
        "benchmarks/tissue_mask/{slide}.tsv"
    group:
        "prepare"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "tissue_mask"),
        runtime=asked(REQUESTS.minutes, "tissue_mask"),
    params:
        slide=config["slide"],
        tissue=config["tissue"],
        code=code("tissue/tissue_mask.py"),
    script:
        "../workflow_scripts/jobs/tissue/tissue_mask.py"
