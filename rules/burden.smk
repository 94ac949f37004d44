rule tumour_burden:
    """Whole tumour by the convex hull, and the share of it that is viable."""
    input:
        viable="results/viable/{model}/{slide}.tif",
        tissue="results/tissue/{slide}.tif",
        scores=scores_of,
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
        mem_mb=mb_of("tumour_burden"),
        runtime=min_of("tumour_burden"),
    params:
        code=code("tumour_burden.py"),
    script:
        "../workflow_scripts/tumour_burden.py"


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
        mem_mb=mb_of("tumour_polygons"),
        runtime=min_of("tumour_polygons"),
    params:
        code=code("tumour_polygons.py"),
    script:
        "../workflow_scripts/tumour_polygons.py"


rule burden_table:
    """Tumour burden of all scored slides in one table."""
    input:
        burdens=of_scored_slides("results/burden/{model}/{slide}.json"),
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
        code=code("burden_table.py"),
    script:
        "../workflow_scripts/burden_table.py"


rule slide_figure:
    """Slide, truth, heatmap and tumour map side by side."""
    input:
        overview="results/overviews/{slide}.jpg",
        tissue="results/tissue/{slide}.tif",
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tumour="results/tumour/{model}/{slide}.tif",
        burden="results/burden/{model}/{slide}.json",
        truth=truth_file,
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
        mem_mb=mb_of("slide_figure"),
        runtime=min_of("slide_figure"),
    params:
        code=code("slide_figure.py"),
    script:
        "../workflow_scripts/slide_figure.py"
