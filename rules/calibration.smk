rule tune:
    """Fit the temperature and choose the threshold of a model on its validation slides."""
    input:
        scores=tuning_files("scores"),
        inspected=tuning_files("inspected"),
        tissues=tuning_files("tissues"),
        truths=tuning_files("truths"),
    output:
        calibration="results/calibration/{model}.json",
    log:
        "logs/tune/{model}.log",
    benchmark:
        "benchmarks/tune/{model}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=tuning_runtime,
    params:
        slides=tuning_slides_of,
        is_calibrated=config["calibration"]["temperature"],
        member=part_of_scores,
        spacing_um=config["heatmap"]["spacing_um"],
        blending=config["inference"]["blending"],
        slide=config["slide"],
        code=code("calibration/tune.py"),
    script:
        "../workflow_scripts/jobs/calibration/tune.py"


rule count_pixels:
    """Count how often a heatmap is right at each probability, and where it is unsure."""
    input:
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tissue="results/tissue/{slide}.tif",
        truth="results/truth/{slide}.tif",
        uncertainty=uncertainty_of_slide,
        calibration=calibration_of_threshold,
    output:
        counts="results/evaluation/pixels/{model}/{slide}.npz",
    log:
        "logs/count_pixels/{model}/{slide}.log",
    benchmark:
        "benchmarks/count_pixels/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=mb_of("count_pixels"),
        runtime=min_of("count_pixels"),
    params:
        kinds=uncertainties,
        segmentation=segmentation,
        code=code("calibration/count_pixels.py"),
    script:
        "../workflow_scripts/jobs/calibration/count_pixels.py"


rule calibration_tables:
    """Calibration of all models, and whether their uncertainty points at their mistakes."""
    input:
        counts=pixel_counts_of_models,
        slides=of_evaluated_models("results/evaluation/{model}.csv"),
        intervals=intervals_of_models,
    output:
        calibration=report(
            "results/evaluation/calibration.csv",
            caption="captions/calibration.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "calibration"},
        ),
        uncertainty=report(
            "results/evaluation/uncertainty.csv",
            caption="captions/error_detection.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "uncertainty"},
        ),
        figure=report(
            "results/evaluation/reliability.png",
            caption="captions/reliability.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "reliability"},
        ),
    log:
        "logs/calibration_tables.log",
    benchmark:
        "benchmarks/calibration_tables.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=calibration_memory,
        runtime=growing(15),
    params:
        models=counted_slides,
        intervals=models_with_intervals,
        code=code("calibration/calibration_tables.py"),
    script:
        "../workflow_scripts/jobs/calibration/calibration_tables.py"
