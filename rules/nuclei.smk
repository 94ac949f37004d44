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
