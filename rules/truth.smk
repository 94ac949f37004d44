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
        code=code("truth/rasterize_annotation.py"),
    script:
        "../workflow_scripts/jobs/truth/rasterize_annotation.py"
