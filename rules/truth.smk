rule rasterize_annotation:
    """Turn outlines or masks into one truth map of the slide, and check them."""
    input:
        unpack(
            planned(
                COHORT.cells,
                "slide",
                columns=["annotation", "viable_mask", "whole_mask"],
            )
        ),
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
        mem_mb=asked(REQUESTS.mb, "rasterize_annotation"),
        runtime=asked(REQUESTS.minutes, "rasterize_annotation"),
    params:
        row=planned(
            COHORT.cells,
            "slide",
            columns=["annotation", "viable_mask", "whole_mask", "burden", "label"],
        ),
        slide=config["slide"],
        annotation=config["annotation"],
        given=planned(
            GIVEN.of_slide,
            "slide",
            columns=["annotation", "viable_mask", "whole_mask"],
            step="truth",
        ),
        code=code("truth/rasterize_annotation.py"),
    script:
        "../workflow_scripts/jobs/truth/rasterize_annotation.py"
