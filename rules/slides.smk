rule inspect_slide:
    """Open a slide and note its levels and spacing, or what is wrong with it."""
    input:
        slide=slide_file,
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
        mem_mb=mb_of("inspect_slide"),
        runtime=min_of("inspect_slide"),
    params:
        row=cells("path", "spacing_um"),
        slide=config["slide"],
        code=code("inspect_slide.py"),
    script:
        "../workflow_scripts/inspect_slide.py"


rule tissue_mask:
    """Tell tissue from glass, padding and pen at low resolution."""
    input:
        slide=slide_file,
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
        mem_mb=mb_of("tissue_mask"),
        runtime=min_of("tissue_mask"),
    params:
        slide=config["slide"],
        tissue=config["tissue"],
        code=code("tissue_mask.py"),
    script:
        "../workflow_scripts/tissue_mask.py"


rule rasterize_annotation:
    """Turn outlines or masks into one truth map of the slide, and check them."""
    input:
        unpack(cells("annotation", "viable_mask", "whole_mask")),
        inspected="results/slides/{slide}.json",
    output:
        status="results/truth/{slide}.json",
        truth="results/truth/{slide}.tif",
    log:
        "logs/rasterize_annotation/{slide}.log",
    benchmark:
        "benchmarks/rasterize_annotation/{slide}.tsv"
    group:
        "prepare"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=mb_of("rasterize_annotation"),
        runtime=min_of("rasterize_annotation"),
    params:
        row=cells("annotation", "viable_mask", "whole_mask", "burden"),
        slide=config["slide"],
        annotation=config["annotation"],
        code=code("rasterize_annotation.py"),
    script:
        "../workflow_scripts/rasterize_annotation.py"


checkpoint cohort:
    """List every slide of the sheet with its state; what follows uses those that are ok."""
    input:
        statuses=all_statuses,
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
        statuses=statuses_of_slides,
        bad_slides=config["bad_slides"],
        code=code("cohort.py"),
    script:
        "../workflow_scripts/cohort.py"
