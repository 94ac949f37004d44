rule stitch_heatmap:
    """Average overlapping patch scores into one heatmap of the slide."""
    input:
        inspected="results/slides/{slide}.json",
        tissue="results/tissue/{slide}.tif",
        scores=scores_of,
        calibration=calibration_of_heatmap,
    output:
        heatmap="results/heatmaps/{model}/{slide}.tif",
    log:
        "logs/stitch_heatmap/{model}/{slide}.log",
    benchmark:
        "benchmarks/stitch_heatmap/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=mb_of("stitch_heatmap"),
        runtime=min_of("stitch_heatmap"),
    params:
        member=part_of_scores,
        spacing_um=config["heatmap"]["spacing_um"],
        blending=config["inference"]["blending"],
        slide=config["slide"],
        code=code("heatmaps/stitch_heatmap.py"),
    script:
        "../workflow_scripts/jobs/heatmaps/stitch_heatmap.py"
