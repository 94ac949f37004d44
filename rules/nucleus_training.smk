rule pretrain_crosswise:
    """Train a crosswise autoencoder on windows of the training slides; no labels."""
    input:
        train=planned(COHORT.learnt_patches, "model", split="train"),
        train_slides=planned(COHORT.slides_to_learn, "model", split="train"),
        train_inspected=planned(COHORT.inspected_to_learn, "model", split="train"),
        validation=planned(COHORT.learnt_patches, "model", split="validation"),
        validation_slides=planned(COHORT.slides_to_learn, "model", split="validation"),
        validation_inspected=planned(
            COHORT.inspected_to_learn, "model", split="validation"
        ),
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/weights.json",
        curves="results/models/{model}/training_curves.csv",
    log:
        "logs/pretrain_crosswise/{model}.log",
    benchmark:
        "benchmarks/pretrain_crosswise/{model}.tsv"
    wildcard_constraints:
        model=MODELS.trained_here("crosswise"),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=asked(REQUESTS.mb, "pretrain_crosswise"),
        runtime=asked(REQUESTS.minutes, "pretrain_crosswise"),
        gpu=planned(REQUESTS.training_gpus, "model"),
    params:
        entry=planned(MODELS.entry, "model"),
        checkpoint="results/checkpoints/{model}_training.safetensors",
        data=planned(MODELS.training_settings, "model"),
        code=code("nucleus_training/pretrain_crosswise.py", "model"),
    script:
        "../workflow_scripts/jobs/nucleus_training/pretrain_crosswise.py"


rule train_nucleus_network:
    """Train a network on labelled images to detect, classify or segment nuclei."""
    input:
        train=planned(NUCLEI.learnt_files, "model", part="train"),
        validation=planned(NUCLEI.learnt_files, "model", part="validation"),
        start=planned(MODELS.start, "model"),
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/weights.json",
        curves="results/models/{model}/training_curves.csv",
    log:
        "logs/train_nucleus_network/{model}.log",
    benchmark:
        "benchmarks/train_nucleus_network/{model}.tsv"
    wildcard_constraints:
        model=MODELS.trained_here(
            "nucleus_detector", "nucleus_classifier", "nucleus_segmenter"
        ),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=asked(REQUESTS.mb, "train_nucleus_network"),
        runtime=asked(REQUESTS.minutes, "train_nucleus_network"),
        gpu=planned(REQUESTS.training_gpus, "model"),
    params:
        entry=planned(MODELS.entry, "model"),
        checkpoint="results/checkpoints/{model}_training.safetensors",
        images=planned(NUCLEI.learnt_rows, "model"),
        given=planned(GIVEN.of_model, "model"),
        code=code("nucleus_training/train_nucleus_network.py", "model"),
    script:
        "../workflow_scripts/jobs/nucleus_training/train_nucleus_network.py"
