rule tune:
    """Fit the temperature and choose the threshold of a model on its validation slides."""
    input:
        scores=planned(
            COHORT.of_tuning, "model", pattern="results/scores/{model}/{slide}.zarr"
        ),
        inspected=planned(
            COHORT.of_tuning, "model", pattern="results/slides/{slide}.json"
        ),
        tissues=planned(COHORT.of_tuning, "model", pattern="results/tissue/{slide}.tif"),
        truths=planned(COHORT.of_tuning, "model", pattern="results/truth/{slide}.tif"),
    output:
        calibration="results/calibration/{model}.json",
    log:
        "logs/tune/{model}.log",
    benchmark:
        "benchmarks/tune/{model}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(2000),
        runtime=asked(REQUESTS.minutes, "tune"),
    params:
        slides=planned(COHORT.for_tuning, "model"),
        is_calibrated=config["calibration"]["temperature"],
        member=planned(MODELS.part_of_scores, "model"),
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
        uncertainty=planned(MODELS.uncertainty_maps, "model", "slide"),
        calibration=planned(MODELS.threshold_source, "model"),
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
        mem_mb=asked(REQUESTS.mb, "count_pixels"),
        runtime=asked(REQUESTS.minutes, "count_pixels"),
    params:
        kinds=planned(MODELS.uncertainties, "model"),
        segmentation=planned(MODELS.segmentation, "model"),
        code=code("calibration/count_pixels.py"),
    script:
        "../workflow_scripts/jobs/calibration/count_pixels.py"


rule calibration_tables:
    """Calibration of all models, and whether their uncertainty points at their mistakes."""
    input:
        counts=planned(RESULTS.pixel_counts),
        slides=planned(
            RESULTS.of_evaluated_models, pattern="results/evaluation/{model}.csv"
        ),
        intervals=planned(RESULTS.intervals),
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
        curves=report(
            "results/evaluation/curves.png",
            caption="captions/ranking.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "ROC, precision and recall"},
        ),
    log:
        "logs/calibration_tables.log",
    benchmark:
        "benchmarks/calibration_tables.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "calibration_tables"),
        runtime=more_each_retry(15),
    params:
        models=planned(RESULTS.counted),
        intervals=planned(RESULTS.with_intervals),
        code=code("calibration/calibration_tables.py"),
    script:
        "../workflow_scripts/jobs/calibration/calibration_tables.py"
