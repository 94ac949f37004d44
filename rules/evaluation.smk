rule evaluate_slide:
    """Compare a slide's patches, map and burden with its truth."""
    input:
        scores="results/scores/{model}/{slide}.zarr",
        tumour="results/tumour/{model}/{slide}.tif",
        burden="results/burden/{model}/{slide}.json",
        truth="results/truth/{slide}.tif",
        truth_status="results/truth/{slide}.json",
    output:
        metrics="results/evaluation/{model}/{slide}.json",
    log:
        "logs/evaluate_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/evaluate_slide/{model}/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=slide_memory,
        runtime=slide_runtime,
    params:
        code=code("evaluate_slide.py"),
    script:
        "../workflow_scripts/evaluate_slide.py"


rule evaluate:
    """Figures of one model over the cohort, and per slide."""
    input:
        metrics=of_evaluated_slides("results/evaluation/{model}/{slide}.json"),
    output:
        slides=report(
            "results/evaluation/{model}.csv",
            caption="captions/evaluation.rst",
            category="4 Evaluation",
            labels={"model": "{model}", "table": "slides"},
        ),
        cohort="results/evaluation/{model}_cohort.json",
    log:
        "logs/evaluate/{model}.log",
    benchmark:
        "benchmarks/evaluate/{model}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"


rule compare_models:
    """The models of this run side by side."""
    input:
        cohorts=expand("results/evaluation/{model}_cohort.json", model=MODELS),
        slides=expand("results/evaluation/{model}.csv", model=MODELS),
    output:
        table=report(
            "results/evaluation/models.tsv",
            caption="captions/models.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "cohort"},
        ),
        text="results/evaluation/summary.md",
    log:
        "logs/compare_models.log",
    benchmark:
        "benchmarks/compare_models.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        models=list(MODELS),
        code=code("compare_models.py"),
    script:
        "../workflow_scripts/compare_models.py"
