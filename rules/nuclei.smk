rule nuclei:
    """Find the nuclei of slides and of labelled images by all models of nuclei.run."""
    input:
        planned(NUCLEI.require),
        planned(NUCLEI.curves),
        planned(NUCLEI.results),


rule predict_nucleus_images:
    """Have a network find, classify or segment the nuclei of the images that judge it."""
    input:
        weights=planned(MODELS.weights, "model"),
        images=planned(NUCLEI.predicted_files, "model"),
    output:
        predictions="results/nuclei/images/{model}.npz",
    log:
        "logs/predict_nucleus_images/{model}.log",
    benchmark:
        "benchmarks/predict_nucleus_images/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=asked(REQUESTS.mb, "predict_nucleus_images"),
        runtime=asked(REQUESTS.minutes, "predict_nucleus_images"),
        gpu=1,
    params:
        entry=planned(MODELS.entry, "model"),
        images=planned(NUCLEI.predicted_rows, "model"),
        peaks={
            key: config["nuclei"][key] for key in ("min_distance_um", "smoothing_um")
        },
        given=planned(GIVEN.of_model, "model"),
        code=code("nuclei/predict_nucleus_images.py", "model"),
    script:
        "../workflow_scripts/jobs/nuclei/predict_nucleus_images.py"


rule find_nuclei:
    """Find the nuclei in the tissue of a slide, as a table of places."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        tissue="results/tissue/{slide}.tif",
        weights=planned(MODELS.weights, "model"),
        threshold=planned(NUCLEI.threshold_source, "model"),
    output:
        table="results/nuclei/{model}/{slide}.parquet",
    log:
        "logs/find_nuclei/{model}/{slide}.log",
    benchmark:
        "benchmarks/find_nuclei/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=asked(REQUESTS.mb, "find_nuclei"),
        runtime=asked(REQUESTS.minutes, "find_nuclei"),
        gpu=planned(REQUESTS.scoring_gpus, "model"),
    params:
        slide=config["slide"],
        entry=planned(MODELS.entry, "model"),
        nuclei={
            key: config["nuclei"][key]
            for key in ("min_distance_um", "smoothing_um", "threshold", "latents")
        },
        given=planned(GIVEN.of_model, "model"),
        code=code("nuclei/find_nuclei.py", "model"),
    script:
        "../workflow_scripts/jobs/nuclei/find_nuclei.py"


rule outline_nuclei:
    """Outline the nuclei of a slide by a segmenter's map, and measure their areas."""
    input:
        nuclei="results/nuclei/{model}/{slide}.parquet",
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        weights=planned(MODELS.weights, model=NUCLEI.model_of_outlines()),
    output:
        table="results/nuclei/outlines/{model}/{slide}.parquet",
    log:
        "logs/outline_nuclei/{model}/{slide}.log",
    benchmark:
        "benchmarks/outline_nuclei/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=asked(REQUESTS.mb, "outline_nuclei"),
        runtime=asked(REQUESTS.minutes, "outline_nuclei"),
        gpu=1,
    params:
        slide=config["slide"],
        model=NUCLEI.model_of_outlines(),
        entry=planned(MODELS.entry, model=NUCLEI.model_of_outlines()),
        given=planned(GIVEN.of_model, model=NUCLEI.model_of_outlines()),
        code=code("nuclei/outline_nuclei.py", kinds=["nucleus_segmenter"]),
    script:
        "../workflow_scripts/jobs/nuclei/outline_nuclei.py"


rule classify_nuclei:
    """Find the attributes and the class of each nucleus of a slide by a classifier."""
    input:
        nuclei=planned(NUCLEI.table_to_classify, "model", "slide"),
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        weights=planned(MODELS.weights, model=NUCLEI.model_of_classes()),
    output:
        table="results/nuclei/classes/{model}/{slide}.parquet",
    log:
        "logs/classify_nuclei/{model}/{slide}.log",
    benchmark:
        "benchmarks/classify_nuclei/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=asked(REQUESTS.mb, "classify_nuclei"),
        runtime=asked(REQUESTS.minutes, "classify_nuclei"),
        gpu=1,
    params:
        slide=config["slide"],
        model=NUCLEI.model_of_classes(),
        entry=planned(MODELS.entry, model=NUCLEI.model_of_classes()),
        given=planned(GIVEN.of_model, model=NUCLEI.model_of_classes()),
        code=code("nuclei/classify_nuclei.py", kinds=["nucleus_classifier"]),
    script:
        "../workflow_scripts/jobs/nuclei/classify_nuclei.py"


rule nucleus_geojson:
    """Write a slide's nuclei for QuPath: a detection each."""
    input:
        nuclei=planned(NUCLEI.full_table, "model", "slide"),
        inspected="results/slides/{slide}.json",
    output:
        geojson="results/nuclei/geojson/{model}/{slide}.geojson",
    log:
        "logs/nucleus_geojson/{model}/{slide}.log",
    benchmark:
        "benchmarks/nucleus_geojson/{model}/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "nucleus_geojson"),
        runtime=asked(REQUESTS.minutes, "nucleus_geojson"),
    params:
        code=code("nuclei/nucleus_geojson.py"),
    script:
        "../workflow_scripts/jobs/nuclei/nucleus_geojson.py"


rule nucleus_density:
    """Map the nuclei per mm² of a slide's tissue."""
    input:
        nuclei="results/nuclei/{model}/{slide}.parquet",
        tissue="results/tissue/{slide}.tif",
        inspected="results/slides/{slide}.json",
    output:
        density="results/nuclei/density/{model}/{slide}.tif",
    log:
        "logs/nucleus_density/{model}/{slide}.log",
    benchmark:
        "benchmarks/nucleus_density/{model}/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "nucleus_density"),
        runtime=asked(REQUESTS.minutes, "nucleus_density"),
    params:
        spacing_um=config["nuclei"]["density_um"],
        slide=config["slide"],
        code=code("nuclei/nucleus_density.py"),
    script:
        "../workflow_scripts/jobs/nuclei/nucleus_density.py"


rule nucleus_counts:
    """Count a slide's nuclei in tumour and in the rest of the tissue."""
    input:
        nuclei=planned(NUCLEI.full_table, "model", "slide"),
        tissue="results/tissue/{slide}.tif",
        tumour=planned(NUCLEI.tumour_map, "slide"),
    output:
        counts="results/nuclei/counts/{model}/{slide}.json",
    log:
        "logs/nucleus_counts/{model}/{slide}.log",
    benchmark:
        "benchmarks/nucleus_counts/{model}/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "nucleus_counts"),
        runtime=asked(REQUESTS.minutes, "nucleus_counts"),
    params:
        tumour_model=planned(NUCLEI.tumour_model, "slide"),
        code=code("nuclei/nucleus_counts.py"),
    script:
        "../workflow_scripts/jobs/nuclei/nucleus_counts.py"


rule nucleus_count_table:
    """The counts of all slides in one table."""
    input:
        counts=planned(
            NUCLEI.of_model,
            "model",
            pattern="results/nuclei/counts/{model}/{slide}.json",
        ),
    output:
        table=report(
            "results/nuclei/counts/{model}.tsv",
            caption="captions/nucleus_counts.rst",
            category="6 Nuclei",
            labels={"model": "{model}", "slide": "all", "result": "counts of nuclei"},
        ),
    log:
        "logs/nucleus_count_table/{model}.log",
    benchmark:
        "benchmarks/nucleus_count_table/{model}.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("nuclei/nucleus_count_table.py"),
    script:
        "../workflow_scripts/jobs/nuclei/nucleus_count_table.py"


rule nucleus_figure:
    """Slide, density of its nuclei, and two places with the nuclei found."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        overview="results/overviews/{slide}.jpg",
        tissue="results/tissue/{slide}.tif",
        nuclei="results/nuclei/{model}/{slide}.parquet",
        density="results/nuclei/density/{model}/{slide}.tif",
        counts="results/nuclei/counts/{model}/{slide}.json",
    output:
        figure=report(
            "results/nuclei/figures/{model}/{slide}.png",
            caption="captions/nucleus_figure.rst",
            category="6 Nuclei",
            labels={"model": "{model}", "slide": "{slide}", "result": "figure"},
        ),
    log:
        "logs/nucleus_figure/{model}/{slide}.log",
    benchmark:
        "benchmarks/nucleus_figure/{model}/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "nucleus_figure"),
        runtime=asked(REQUESTS.minutes, "nucleus_figure"),
    params:
        slide=config["slide"],
        code=code("nuclei/nucleus_figure.py"),
    script:
        "../workflow_scripts/jobs/nuclei/nucleus_figure.py"
