rule stitch_heatmap:
    """Average overlapping patch scores into one heatmap of the slide."""
    input:
        inspected="results/slides/{slide}.json",
        tissue="results/tissue/{slide}.tif",
        scores=planned(MODELS.scores, "model", "slide"),
        calibration=planned(MODELS.temperature_source, "model"),
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
        mem_mb=asked(REQUESTS.mb, "stitch_heatmap"),
        runtime=asked(REQUESTS.minutes, "stitch_heatmap"),
    params:
        member=planned(MODELS.part_of_scores, "model"),
        spacing_um=config["heatmap"]["spacing_um"],
        blending=config["inference"]["blending"],
        slide=config["slide"],
        code=code("heatmaps/stitch_heatmap.py"),
    script:
        "../workflow_scripts/jobs/heatmaps/stitch_heatmap.py"
