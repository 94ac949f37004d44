rule score_slide:
    """Give every patch with tissue a tumour probability, by all networks of a model at once."""
    input:
        slide=slide_file,
        inspected="results/slides/{slide}.json",
        grid=scoring_grid_file,
        weights=weights_of,
    output:
        scores=directory("results/scores/{model}/{slide}.zarr"),
    log:
        "logs/score_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/score_slide/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: scoring_threads
    resources:
        mem_mb=scoring_memory,
        runtime=scoring_runtime,
        gpu=scoring_gpus,
    params:
        slide=config["slide"],
        entry=model_entry,
        members=entries_of_members,
        batch=patches_at_a_time,
        compiled=config["inference"]["compiled"],
        heatmap_um=config["heatmap"]["spacing_um"],
        code=code("score_slide.py"),
    script:
        "../workflow_scripts/score_slide.py"


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
        code=code("stitch_heatmap.py"),
    script:
        "../workflow_scripts/stitch_heatmap.py"


rule segment:
    """Segment viable tumour: threshold, then morphology."""
    input:
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tissue="results/tissue/{slide}.tif",
        calibration=calibration_of_threshold,
    output:
        viable="results/viable/{model}/{slide}.tif",
    log:
        "logs/segment/{model}/{slide}.log",
    benchmark:
        "benchmarks/segment/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=mb_of("segment"),
        runtime=min_of("segment"),
    params:
        segmentation=segmentation,
        code=code("segment.py"),
    script:
        "../workflow_scripts/segment.py"
