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


rule tissue_figure:
    """Draw the stages of a slide's tissue mask, and a grid of patches over it."""
    input:
        overview="results/overviews/{slide}.jpg",
        tissue="results/tissue/{slide}.tif",
        grid="results/grids/{grid}/{slide}.npz",
    output:
        figure=report(
            "results/figures/tissue/{grid}/{slide}.png",
            caption="captions/tissue.rst",
            category="2 Slides",
            labels={"model": "{grid}", "slide": "{slide}", "result": "tissue"},
        ),
    log:
        "logs/tissue_figure/{grid}/{slide}.log",
    benchmark:
        "benchmarks/tissue_figure/{grid}/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(1500),
        runtime=more_each_retry(15),
    params:
        tissue=config["tissue"],
        code=code("tissue/tissue_figure.py"),
    script:
        "../workflow_scripts/jobs/tissue/tissue_figure.py"
