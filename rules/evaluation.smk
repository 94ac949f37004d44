rule evaluate_slide:
    """Compare a slide's patches, map and burden with its truth."""
    input:
        scores=scores_of,
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
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=mb_of("evaluate_slide"),
        runtime=min_of("evaluate_slide"),
    params:
        member=part_of_scores,
        label_rule=config["patches"]["label_rule"],
        min_tumour_fraction=config["patches"]["min_tumour_fraction"],
        evaluation=config["evaluation"],
        code=code("evaluation/evaluate_slide.py"),
    script:
        "../workflow_scripts/jobs/evaluation/evaluate_slide.py"


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
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("evaluation/evaluate.py"),
    script:
        "../workflow_scripts/jobs/evaluation/evaluate.py"


rule compare_models:
    """The models of this run side by side: tables, tests and box plots."""
    input:
        cohorts=of_evaluated_models("results/evaluation/{model}_cohort.json"),
        slides=of_evaluated_models("results/evaluation/{model}.csv"),
        cards=cards_of_models,
    output:
        table=report(
            "results/evaluation/models.tsv",
            caption="captions/models.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "cohort"},
        ),
        table1=report(
            "results/evaluation/table1.csv",
            caption="captions/table1.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "Table 1"},
        ),
        tests=report(
            "results/evaluation/tests.csv",
            caption="captions/model_tests.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "tests"},
        ),
        figure=report(
            "results/evaluation/models.png",
            caption="captions/model_figure.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "box plots"},
        ),
        costs="results/evaluation/costs.csv",
        text="results/evaluation/summary.md",
    log:
        "logs/compare_models.log",
    benchmark:
        "benchmarks/compare_models.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        models=compared_models,
        # No input: timings may be missing, and new ones are no reason to run again.
        benchmarks="benchmarks/score_slide",
        code=code("evaluation/compare_models.py"),
    script:
        "../workflow_scripts/jobs/evaluation/compare_models.py"
