rule compression:
    """Compress the scored slides, picture what is left, and measure it."""
    input:
        compression_results,


rule compress_slide:
    """Encode every patch with tissue to latents."""
    input:
        slide=slide_file,
        inspected="results/slides/{slide}.json",
        grid=compression_grid_file,
        cae=cae_of,
    output:
        latents=directory("results/latents/{model}/{slide}.zarr"),
    log:
        "logs/compress_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/compress_slide/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=compression_memory,
        runtime=compression_runtime,
        gpu=1,
    params:
        slide=config["slide"],
        entry=model_entry,
        batch=config["compression"]["batch"],
        precision=config["compression"]["precision"],
        code=code("compression/compress_slide.py"),
    script:
        "../workflow_scripts/jobs/compression/compress_slide.py"


rule reconstruct_slide:
    """Decode a slide's latents to a pyramid of JPEG tiles."""
    input:
        latents="results/latents/{model}/{slide}.zarr",
        cae=cae_of,
    output:
        picture="results/reconstructions/{model}/{slide}.tif",
    log:
        "logs/reconstruct_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/reconstruct_slide/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=compression_memory,
        runtime=compression_runtime,
        gpu=1,
    params:
        entry=model_entry,
        batch=config["compression"]["batch"],
        code=code("compression/reconstruct_slide.py"),
    script:
        "../workflow_scripts/jobs/compression/reconstruct_slide.py"


rule compression_quality:
    """Measure what the latents keep of a slide, beside JPEG of the same size."""
    input:
        slide=slide_file,
        inspected="results/slides/{slide}.json",
        latents="results/latents/{model}/{slide}.zarr",
        cae=cae_of,
    output:
        quality="results/compression/{model}/{slide}.json",
    log:
        "logs/compression_quality/{model}/{slide}.log",
    benchmark:
        "benchmarks/compression_quality/{model}/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=compression_memory,
        runtime=compression_runtime,
        gpu=1,
    params:
        slide=config["slide"],
        entry=model_entry,
        batch=config["compression"]["batch"],
        compared_patches=config["compression"]["compared_patches"],
        code=code("compression/compression_quality.py"),
    script:
        "../workflow_scripts/jobs/compression/compression_quality.py"


rule compression_table:
    """How all scored slides were compressed, in one table."""
    input:
        qualities=of_scored_slides("results/compression/{model}/{slide}.json"),
    output:
        table="results/compression/{model}.tsv",
    log:
        "logs/compression_table/{model}.log",
    benchmark:
        "benchmarks/compression_table/{model}.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("compression/compression_table.py"),
    script:
        "../workflow_scripts/jobs/compression/compression_table.py"
