rule vote_slide:
    """Let the members of a vote, or all of their patches, decide the class of a slide."""
    input:
        scores=planned(MODELS.scores_of_voters, "model", "slide"),
        truth=planned(COHORT.truth, "slide"),
    output:
        vote="results/votes/{model}/{slide}.json",
    log:
        "logs/vote_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/vote_slide/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "vote_slide"),
        runtime=asked(REQUESTS.minutes, "vote_slide"),
    params:
        members=planned(MODELS.voters, "model"),
        majority=planned(MODELS.majority, "model"),
        row=planned(COHORT.cells, "slide", columns=["label"]),
        code=code("tumour/vote_slide.py"),
    script:
        "../workflow_scripts/jobs/tumour/vote_slide.py"


rule vote_table:
    """Classes and vote shares of all scored slides in one table."""
    input:
        votes=planned(
            COHORT.of_scored, "model", pattern="results/votes/{model}/{slide}.json"
        ),
    output:
        table=report(
            "results/votes/{model}.tsv",
            caption="captions/votes.rst",
            category="2 Slides",
            labels={"model": "{model}", "slide": "all", "result": "class by vote"},
        ),
        metrics="results/votes/{model}_cohort.json",
    log:
        "logs/vote_table/{model}.log",
    benchmark:
        "benchmarks/vote_table/{model}.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("tumour/vote_table.py"),
    script:
        "../workflow_scripts/jobs/tumour/vote_table.py"


rule tumour_burden:
    """Segment viable tumour, whole tumour by the convex hull, and give the viable share."""
    input:
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tissue="results/tissue/{slide}.tif",
        scores=planned(MODELS.scores, "model", "slide"),
        calibration=planned(MODELS.threshold_source, "model"),
    output:
        burden="results/burden/{model}/{slide}.json",
        tumour="results/tumour/{model}/{slide}.tif",
    log:
        "logs/tumour_burden/{model}/{slide}.log",
    benchmark:
        "benchmarks/tumour_burden/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "tumour_burden"),
        runtime=asked(REQUESTS.minutes, "tumour_burden"),
    params:
        segmentation=planned(MODELS.segmentation, "model"),
        code=code("tumour/tumour_burden.py"),
    script:
        "../workflow_scripts/jobs/tumour/tumour_burden.py"


rule tumour_polygons:
    """Outlines of whole and viable tumour, for QuPath."""
    input:
        tumour="results/tumour/{model}/{slide}.tif",
        inspected="results/slides/{slide}.json",
    output:
        polygons="results/polygons/{model}/{slide}.geojson",
    log:
        "logs/tumour_polygons/{model}/{slide}.log",
    benchmark:
        "benchmarks/tumour_polygons/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "tumour_polygons"),
        runtime=asked(REQUESTS.minutes, "tumour_polygons"),
    params:
        code=code("tumour/tumour_polygons.py"),
    script:
        "../workflow_scripts/jobs/tumour/tumour_polygons.py"


rule burden_table:
    """Tumour burden of all scored slides in one table."""
    input:
        burdens=planned(
            COHORT.of_scored, "model", pattern="results/burden/{model}/{slide}.json"
        ),
    output:
        table=report(
            "results/burden/{model}.tsv",
            caption="captions/burden.rst",
            category="2 Slides",
            labels={"model": "{model}", "slide": "all", "result": "tumour burden"},
        ),
    log:
        "logs/burden_table/{model}.log",
    benchmark:
        "benchmarks/burden_table/{model}.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("tumour/burden_table.py"),
    script:
        "../workflow_scripts/jobs/tumour/burden_table.py"


rule slide_figure:
    """Slide, truth, heatmap and tumour map side by side."""
    input:
        overview="results/overviews/{slide}.jpg",
        tissue="results/tissue/{slide}.tif",
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tumour="results/tumour/{model}/{slide}.tif",
        burden="results/burden/{model}/{slide}.json",
        truth=planned(COHORT.truth, "slide"),
    output:
        figure=report(
            "results/figures/{model}/{slide}.png",
            caption="captions/slide_figure.rst",
            category="2 Slides",
            labels={"model": "{model}", "slide": "{slide}", "result": "figure"},
        ),
    log:
        "logs/slide_figure/{model}/{slide}.log",
    benchmark:
        "benchmarks/slide_figure/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "slide_figure"),
        runtime=asked(REQUESTS.minutes, "slide_figure"),
    params:
        code=code("tumour/slide_figure.py"),
    script:
        "../workflow_scripts/jobs/tumour/slide_figure.py"


rule compare_maps:
    """Draw the tumour maps of all models of a slide side by side, and their borders close up."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        overview="results/overviews/{slide}.jpg",
        tissue="results/tissue/{slide}.tif",
        truth="results/truth/{slide}.tif",
        tumours=planned(
            RESULTS.of_judged, "slide", pattern="results/tumour/{model}/{slide}.tif"
        ),
        metrics=planned(
            RESULTS.of_judged,
            "slide",
            pattern="results/evaluation/{model}/{slide}.json",
        ),
    output:
        maps=report(
            "results/comparison/maps/{slide}.png",
            caption="captions/model_maps.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "maps of {slide}"},
        ),
        borders=report(
            "results/comparison/borders/{slide}.png",
            caption="captions/borders.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "borders of {slide}"},
        ),
    log:
        "logs/compare_maps/{slide}.log",
    benchmark:
        "benchmarks/compare_maps/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "compare_maps"),
        runtime=asked(REQUESTS.minutes, "compare_maps"),
    params:
        slide=config["slide"],
        models=planned(RESULTS.judged_by, "slide"),
        code=code("tumour/compare_maps.py"),
    script:
        "../workflow_scripts/jobs/tumour/compare_maps.py"
