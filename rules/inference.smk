rule score_slide:
    """Give every patch with tissue a tumour probability, by all networks of a model at once."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        grid=planned(COHORT.scoring_grid, "model", "slide"),
        weights=planned(MODELS.weights_of_members, "model"),
    output:
        scores=directory("results/scores/{model}/{slide}.zarr"),
    log:
        "logs/score_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/score_slide/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: planned(REQUESTS.scoring_threads, "slide")
    resources:
        mem_mb=asked(REQUESTS.mb, "score_slide"),
        runtime=asked(REQUESTS.minutes, "score_slide"),
        gpu=planned(REQUESTS.scoring_gpus, "model"),
    params:
        slide=config["slide"],
        entry=planned(MODELS.entry, "model"),
        members=planned(MODELS.entries_of_members, "model"),
        batch=MODELS.patches_at_a_time(),
        compiled=config["inference"]["compiled"],
        heatmap_um=config["heatmap"]["spacing_um"],
        white_from=config["patches"]["white_from"],
        given=planned(GIVEN.of_model, "model"),
        code=code("inference/score_slide.py", "model"),
    script:
        "../workflow_scripts/jobs/inference/score_slide.py"
