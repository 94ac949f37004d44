rule stitch_uncertainty:
    """Average the variances of overlapping patches into one map of the slide."""
    input:
        inspected="results/slides/{slide}.json",
        scores=planned(MODELS.scores, "model", "slide"),
    output:
        uncertainty="results/uncertainty/{uncertainty}/{model}/{slide}.tif",
    log:
        "logs/stitch_uncertainty/{uncertainty}/{model}/{slide}.log",
    benchmark:
        "benchmarks/stitch_uncertainty/{uncertainty}/{model}/{slide}.tsv"
    wildcard_constraints:
        uncertainty="aleatoric|epistemic",
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "stitch_uncertainty"),
        runtime=asked(REQUESTS.minutes, "stitch_uncertainty"),
    params:
        member=planned(MODELS.part_of_scores, "model"),
        spacing_um=config["heatmap"]["spacing_um"],
        blending=config["inference"]["blending"],
        slide=config["slide"],
        code=code("uncertainty/stitch_uncertainty.py"),
    script:
        "../workflow_scripts/jobs/uncertainty/stitch_uncertainty.py"


rule summarize_uncertainty:
    """Say how uncertain a slide's map is, and between what bounds its tumour burden lies."""
    input:
        uncertainty=planned(MODELS.uncertainty_maps, "model", "slide"),
        tissue="results/tissue/{slide}.tif",
        tumour="results/tumour/{model}/{slide}.tif",
        burden="results/burden/{model}/{slide}.json",
        of_members=planned(MODELS.burdens_of_members, "model", "slide"),
    output:
        summary="results/uncertainty/{model}/{slide}.json",
    log:
        "logs/summarize_uncertainty/{model}/{slide}.log",
    benchmark:
        "benchmarks/summarize_uncertainty/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "summarize_uncertainty"),
        runtime=asked(REQUESTS.minutes, "summarize_uncertainty"),
    params:
        kinds=planned(MODELS.uncertainties, "model"),
        code=code("uncertainty/summarize_uncertainty.py"),
    script:
        "../workflow_scripts/jobs/uncertainty/summarize_uncertainty.py"


rule uncertainty_table:
    """Uncertainty and burden interval of all scored slides in one table."""
    input:
        summaries=planned(
            COHORT.of_scored,
            "model",
            pattern="results/uncertainty/{model}/{slide}.json",
        ),
    output:
        table=report(
            "results/uncertainty/{model}.tsv",
            caption="captions/uncertainty.rst",
            category="2 Slides",
            labels={"model": "{model}", "slide": "all", "result": "uncertainty"},
        ),
    log:
        "logs/uncertainty_table/{model}.log",
    benchmark:
        "benchmarks/uncertainty_table/{model}.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("uncertainty/uncertainty_table.py"),
    script:
        "../workflow_scripts/jobs/uncertainty/uncertainty_table.py"


rule uncertainty_figure:
    """Slide, heatmap and where the model is unsure, side by side."""
    input:
        overview="results/overviews/{slide}.jpg",
        tissue="results/tissue/{slide}.tif",
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tumour="results/tumour/{model}/{slide}.tif",
        uncertainty=planned(MODELS.uncertainty_maps, "model", "slide"),
        summary="results/uncertainty/{model}/{slide}.json",
        truth=planned(COHORT.truth, "slide"),
    output:
        figure=report(
            "results/figures/{model}/uncertainty/{slide}.png",
            caption="captions/uncertainty_figure.rst",
            category="2 Slides",
            labels={"model": "{model}", "slide": "{slide}", "result": "uncertainty"},
        ),
    log:
        "logs/uncertainty_figure/{model}/{slide}.log",
    benchmark:
        "benchmarks/uncertainty_figure/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "uncertainty_figure"),
        runtime=asked(REQUESTS.minutes, "uncertainty_figure"),
    params:
        kinds=planned(MODELS.uncertainties, "model"),
        code=code("uncertainty/uncertainty_figure.py"),
    script:
        "../workflow_scripts/jobs/uncertainty/uncertainty_figure.py"
