rule score_slide:
    """Give every patch with tissue a tumour probability, by all networks of a model at once."""
    input:
        slide=slide_file,
        inspected="results/slides/{slide}.json",
        grid=scoring_grid_file,
        weights=weights_of,
    output:
        scores=directory("results/scores/{model}/{slide}.zarr"),
    log:
        "logs/score_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/score_slide/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: scoring_threads
    resources:
        mem_mb=scoring_memory,
        runtime=scoring_runtime,
        gpu=scoring_gpus,
    params:
        slide=config["slide"],
        entry=model_entry,
        members=entries_of_members,
        batch=patches_at_a_time,
        compiled=config["inference"]["compiled"],
        heatmap_um=config["heatmap"]["spacing_um"],
        code=code("inference/score_slide.py"),
    script:
        "../workflow_scripts/jobs/inference/score_slide.py"
