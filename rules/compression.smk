rule compression:
    """Compress the scored slides, picture what is left, and measure it."""
    input:
        planned(
            RESULTS.compression,
            chosen=config["compression"]["model"],
            listed=config["run"],
        ),


rule compress_slide:
    """Encode every patch with tissue to latents."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        grid=planned(COHORT.compression_grid, "model", "slide"),
        cae=planned(MODELS.first_autoencoder, "model"),
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
        mem_mb=asked(REQUESTS.mb, "compress_slide"),
        runtime=asked(REQUESTS.minutes, "compress_slide"),
        gpu=1,
    params:
        slide=config["slide"],
        entry=planned(MODELS.entry, "model"),
        batch=config["compression"]["batch"],
        precision=config["compression"]["precision"],
        code=code("compression/compress_slide.py", "model"),
    script:
        "../workflow_scripts/jobs/compression/compress_slide.py"


rule reconstruct_slide:
    """Decode a slide's latents to a pyramid of JPEG tiles."""
    input:
        latents="results/latents/{model}/{slide}.zarr",
        cae=planned(MODELS.first_autoencoder, "model"),
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
        mem_mb=asked(REQUESTS.mb, "reconstruct_slide"),
        runtime=asked(REQUESTS.minutes, "reconstruct_slide"),
        gpu=1,
    params:
        entry=planned(MODELS.entry, "model"),
        batch=config["compression"]["batch"],
        code=code("compression/reconstruct_slide.py", "model"),
    script:
        "../workflow_scripts/jobs/compression/reconstruct_slide.py"


rule compression_quality:
    """Measure what the latents keep of a slide, beside JPEG of the same size."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        latents="results/latents/{model}/{slide}.zarr",
        cae=planned(MODELS.first_autoencoder, "model"),
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
        mem_mb=asked(REQUESTS.mb, "compression_quality"),
        runtime=asked(REQUESTS.minutes, "compression_quality"),
        gpu=1,
    params:
        slide=config["slide"],
        entry=planned(MODELS.entry, "model"),
        batch=config["compression"]["batch"],
        compared_patches=config["compression"]["compared_patches"],
        code=code("compression/compression_quality.py", "model"),
    script:
        "../workflow_scripts/jobs/compression/compression_quality.py"


rule compression_table:
    """How all scored slides were compressed, in one table."""
    input:
        qualities=planned(
            COHORT.of_scored,
            "model",
            pattern="results/compression/{model}/{slide}.json",
        ),
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


rule reconstruct_patches:
    """Reconstruct test patches by an autoencoder, and measure how near they come."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        grid=planned(COHORT.compression_grid, "model", "slide", "spacing"),
        cae="results/models/{model}/cae_{spacing}um.safetensors",
    output:
        patches="results/autoencoders/{model}/{spacing}um/{slide}.npz",
    log:
        "logs/reconstruct_patches/{model}_{spacing}um/{slide}.log",
    benchmark:
        "benchmarks/reconstruct_patches/{model}_{spacing}um/{slide}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=asked(REQUESTS.mb, "reconstruct_patches"),
        runtime=asked(REQUESTS.minutes, "reconstruct_patches"),
        gpu=1,
    params:
        slide=config["slide"],
        entry=planned(MODELS.entry, "model"),
        batch=config["compression"]["batch"],
        compared_patches=config["compression"]["compared_patches"],
        kept=MODELS.keep_rule(),
        white_from=config["patches"]["white_from"],
        code=code("compression/reconstruct_patches.py", "model"),
    script:
        "../workflow_scripts/jobs/compression/reconstruct_patches.py"


rule compare_autoencoders:
    """The autoencoders of this run side by side: SSIM, reconstructions, latents."""
    input:
        patches=planned(RESULTS.reconstructed_patches),
    output:
        table=report(
            "results/autoencoders/reconstruction.csv",
            caption="captions/reconstruction.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "reconstruction"},
        ),
        reconstructions=report(
            "results/autoencoders/reconstructions.png",
            caption="captions/reconstructions.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "reconstructed patches"},
        ),
        latents=report(
            "results/autoencoders/latents.png",
            caption="captions/latents.rst",
            category="4 Evaluation",
            labels={"model": "all", "table": "latents of a patch"},
        ),
    log:
        "logs/compare_autoencoders.log",
    benchmark:
        "benchmarks/compare_autoencoders.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        autoencoders=planned(RESULTS.autoencoders),
        code=code("compression/compare_autoencoders.py"),
    script:
        "../workflow_scripts/jobs/compression/compare_autoencoders.py"
