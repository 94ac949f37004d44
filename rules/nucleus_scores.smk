# Models that find nuclei, judged by the labelled images of nuclei.images.


rule choose_nucleus_threshold:
    """The threshold of a model's detections that gives the greatest F on validation images."""
    input:
        predictions="results/nuclei/images/{model}.npz",
        truth=planned(NUCLEI.files_of_truth, "model", part="validation"),
    output:
        threshold="results/nuclei/thresholds/{model}.json",
    log:
        "logs/choose_nucleus_threshold/{model}.log",
    benchmark:
        "benchmarks/choose_nucleus_threshold/{model}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(2000),
        runtime=more_each_retry(15),
    params:
        images=planned(NUCLEI.predicted_rows, "model"),
        validated=planned(NUCLEI.validated, "model"),
        match_um=config["nuclei"]["match_um"],
        code=code("nucleus_scores/choose_nucleus_threshold.py"),
    script:
        "../workflow_scripts/jobs/nucleus_scores/choose_nucleus_threshold.py"


rule score_nucleus_images:
    """Nuclei, attributes or masks that a model gives labelled images, against their truth."""
    input:
        predictions="results/nuclei/images/{model}.npz",
        truth=planned(NUCLEI.files_of_truth, "model", part="test"),
        threshold=planned(NUCLEI.threshold_source, "model"),
    output:
        images="results/nuclei/scores/{model}.csv",
        scores="results/nuclei/scores/{model}.json",
    log:
        "logs/score_nucleus_images/{model}.log",
    benchmark:
        "benchmarks/score_nucleus_images/{model}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(2000),
        runtime=more_each_retry(30),
    params:
        entry=planned(NUCLEI.judged, "model"),
        images=planned(NUCLEI.predicted_rows, "model"),
        tested=planned(NUCLEI.tested, "model"),
        threshold=config["nuclei"]["threshold"],
        match_um=config["nuclei"]["match_um"],
        code=code("nucleus_scores/score_nucleus_images.py"),
    script:
        "../workflow_scripts/jobs/nucleus_scores/score_nucleus_images.py"


rule compare_nuclei:
    """The models that find nuclei side by side: Tables 3 to 7 of the paper, and curves."""
    input:
        scores=planned(NUCLEI.of_compared, pattern="results/nuclei/scores/{model}.json"),
    output:
        detection=report(
            "results/nuclei/evaluation/detection.csv",
            caption="captions/nucleus_detection.rst",
            category="6 Nuclei",
            labels={"model": "all", "table": "detection (Table 4)"},
        ),
        sparsity=report(
            "results/nuclei/evaluation/sparsity.csv",
            caption="captions/nucleus_detection.rst",
            category="6 Nuclei",
            labels={"model": "all", "table": "sparsity (Table 5)"},
        ),
        attributes=report(
            "results/nuclei/evaluation/attributes.csv",
            caption="captions/nucleus_attributes.rst",
            category="6 Nuclei",
            labels={"model": "all", "table": "attributes (Table 3)"},
        ),
        features=report(
            "results/nuclei/evaluation/features.csv",
            caption="captions/nucleus_attributes.rst",
            category="6 Nuclei",
            labels={"model": "all", "table": "features (Table 6)"},
        ),
        segmentation=report(
            "results/nuclei/evaluation/segmentation.csv",
            caption="captions/nucleus_segmentation.rst",
            category="6 Nuclei",
            labels={"model": "all", "table": "segmentation (Table 7)"},
        ),
        figure=report(
            "results/nuclei/evaluation/detection.png",
            caption="captions/nucleus_curves.rst",
            category="6 Nuclei",
            labels={"model": "all", "table": "precision and recall"},
        ),
        costs="results/nuclei/evaluation/costs.csv",
        each_attribute="results/nuclei/evaluation/each_attribute.csv",
        detection_text="results/nuclei/evaluation/detection.md",
        sparsity_text="results/nuclei/evaluation/sparsity.md",
        attributes_text="results/nuclei/evaluation/attributes.md",
        features_text="results/nuclei/evaluation/features.md",
        segmentation_text="results/nuclei/evaluation/segmentation.md",
    log:
        "logs/compare_nuclei.log",
    benchmark:
        "benchmarks/compare_nuclei.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        models=planned(NUCLEI.compared),
        # No input: timings may be missing, and new ones are no reason to run again.
        benchmarks="benchmarks/predict_nucleus_images",
        code=code("nucleus_scores/compare_nuclei.py"),
    script:
        "../workflow_scripts/jobs/nucleus_scores/compare_nuclei.py"


rule score_demo_nuclei:
    """Nuclei that a model finds on the demo's slides against those that were drawn there."""
    input:
        nuclei=planned(
            NUCLEI.of_drawn, "model", pattern="results/nuclei/{model}/{slide}.parquet"
        ),
        truth=planned(
            NUCLEI.of_drawn, "model", pattern="demo/cohort/{slide}_nuclei.csv"
        ),
        tissue=planned(NUCLEI.of_drawn, "model", pattern="results/tissue/{slide}.tif"),
        inspected=planned(
            NUCLEI.of_drawn, "model", pattern="results/slides/{slide}.json"
        ),
    output:
        scores=report(
            "results/nuclei/scores/{model}_demo.tsv",
            caption="captions/demo_nuclei.rst",
            category="6 Nuclei",
            labels={
                "model": "{model}",
                "slide": "all",
                "result": "found against drawn nuclei",
            },
        ),
    log:
        "logs/score_demo_nuclei/{model}.log",
    benchmark:
        "benchmarks/score_demo_nuclei/{model}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(1000),
        runtime=more_each_retry(15),
    params:
        slides=planned(NUCLEI.of_drawn, "model", pattern="{slide}"),
        match_um=config["nuclei"]["match_um"],
        code=code("nucleus_scores/score_demo_nuclei.py"),
    script:
        "../workflow_scripts/jobs/nucleus_scores/score_demo_nuclei.py"
