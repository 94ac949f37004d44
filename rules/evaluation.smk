rule comparison:
    """Set the models side by side: tables, tests, maps, borders, and their autoencoders."""
    input:
        planned(RESULTS.if_evaluated, path="results/evaluation/models.tsv"),
        planned(RESULTS.compared_maps),
        planned(
            RESULTS.if_reconstructed, path="results/autoencoders/reconstruction.csv"
        ),


rule evaluate_slide:
    """Compare a slide's patches, map and burden with its truth."""
    input:
        scores=planned(MODELS.scores, "model", "slide"),
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
        mem_mb=asked(REQUESTS.mb, "evaluate_slide"),
        runtime=asked(REQUESTS.minutes, "evaluate_slide"),
    params:
        member=planned(MODELS.part_of_scores, "model"),
        label_rule=config["patches"]["label_rule"],
        min_tumour_fraction=config["patches"]["min_tumour_fraction"],
        kept=MODELS.keep_rule(),
        evaluation=config["evaluation"],
        code=code("evaluation/evaluate_slide.py"),
    script:
        "../workflow_scripts/jobs/evaluation/evaluate_slide.py"


rule evaluate:
    """Figures of one model over the cohort, and per slide."""
    input:
        metrics=planned(
            COHORT.of_evaluated,
            "model",
            pattern="results/evaluation/{model}/{slide}.json",
        ),
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
        cohorts=planned(
            RESULTS.of_evaluated_models,
            pattern="results/evaluation/{model}_cohort.json",
        ),
        slides=planned(
            RESULTS.of_evaluated_models, pattern="results/evaluation/{model}.csv"
        ),
        cards=planned(RESULTS.cards),
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
        confusion=report(
            "results/evaluation/confusion.png",
            caption="captions/confusion.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "confusion matrices"},
        ),
        costs=report(
            "results/evaluation/costs.csv",
            caption="captions/costs.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "costs"},
        ),
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
        models=planned(RESULTS.compared),
        # No input: timings may be missing, and new ones are no reason to run again.
        benchmarks="benchmarks/score_slide",
        code=code("evaluation/compare_models.py"),
    script:
        "../workflow_scripts/jobs/evaluation/compare_models.py"


rule compare_spacings:
    """Accuracy of the networks that are there at several spacings, by spacing."""
    input:
        models=planned(RESULTS.if_evaluated, path="results/evaluation/models.tsv"),
    output:
        table=report(
            "results/evaluation/spacings.csv",
            caption="captions/spacings.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "accuracy by spacing"},
        ),
    log:
        "logs/compare_spacings.log",
    benchmark:
        "benchmarks/compare_spacings.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        at_spacings=planned(RESULTS.at_spacings),
        code=code("evaluation/compare_spacings.py"),
    script:
        "../workflow_scripts/jobs/evaluation/compare_spacings.py"
