rule patch_grid:
    """Lay a grid of patches over the tissue, with tissue and tumour share of each."""
    input:
        inspected="results/slides/{slide}.json",
        earlier=planned(COHORT.early_statuses, "slide"),
        tissue="results/tissue/{slide}.tif",
        truth=planned(COHORT.truth, "slide"),
    output:
        status="results/grids/{grid}/{slide}.json",
        grid="results/grids/{grid}/{slide}.npz",
    log:
        "logs/patch_grid/{grid}/{slide}.log",
    benchmark:
        "benchmarks/patch_grid/{grid}/{slide}.tsv"
    group:
        "prepare"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "patch_grid"),
        runtime=asked(REQUESTS.minutes, "patch_grid"),
    params:
        slide=config["slide"],
        label_rule=config["patches"]["label_rule"],
        min_tumour_fraction=config["patches"]["min_tumour_fraction"],
        code=code("patches/patch_grid.py"),
    script:
        "../workflow_scripts/jobs/patches/patch_grid.py"


rule extract_patches:
    """Store the patches of a slide that are worth training on."""
    input:
        slide=planned(COHORT.path, "slide"),
        inspected="results/slides/{slide}.json",
        grid=planned(COHORT.grid_of_patches, "patches", "slide"),
    output:
        patches=directory("results/patches/{patches}/{slide}.zarr"),
    log:
        "logs/extract_patches/{patches}/{slide}.log",
    benchmark:
        "benchmarks/extract_patches/{patches}/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    threads: 4
    resources:
        mem_mb=asked(REQUESTS.mb, "extract_patches"),
        runtime=asked(REQUESTS.minutes, "extract_patches"),
    params:
        slide=config["slide"],
        spacings_um=planned(COHORT.further_spacings, "patches"),
        codec=config["patches"]["codec"],
        store={
            key: config["patches"][key]
            for key in ("jpeg_quality", "white_from", "max_white_fraction")
        },
        min_tissue_fraction=config["patches"]["min_tissue_fraction"],
        code=code("patches/extract_patches.py"),
    script:
        "../workflow_scripts/jobs/patches/extract_patches.py"
