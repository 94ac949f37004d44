rule pretrain_cae:
    """Train a HistoCAE autoencoder to reconstruct patches; no labels."""
    input:
        train=patches_of("train"),
        train_slides=read_in_training("train"),
        validation=patches_of("validation"),
        validation_slides=read_in_training("validation"),
    output:
        weights="results/models/{model}/cae.safetensors",
        card="results/models/{model}/cae.json",
        curves="results/models/{model}/pretraining_curves.csv",
    log:
        "logs/pretrain_cae/{model}.log",
    benchmark:
        "benchmarks/pretrain_cae/{model}.tsv"
    wildcard_constraints:
        model=models_of("histocae"),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=training_memory,
        runtime=training_runtime,
        gpu=1,
    params:
        entry=model_entry,
        checkpoint="results/checkpoints/{model}_pretraining.safetensors",
        data=training_data,
        code=code("pretrain_cae.py"),
    script:
        "../workflow_scripts/pretrain_cae.py"


rule train_classifier:
    """Train a HistoCAE classifier, starting from the autoencoder's encoder."""
    input:
        train=patches_of("train"),
        train_slides=read_in_training("train"),
        validation=patches_of("validation"),
        validation_slides=read_in_training("validation"),
        cae="results/models/{model}/cae.safetensors",
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/weights.json",
        curves="results/models/{model}/training_curves.csv",
    log:
        "logs/train_classifier/{model}.log",
    benchmark:
        "benchmarks/train_classifier/{model}.tsv"
    wildcard_constraints:
        model=models_of("histocae"),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=training_memory,
        runtime=training_runtime,
        gpu=1,
    params:
        entry=model_entry,
        checkpoint="results/checkpoints/{model}_training.safetensors",
        data=training_data,
        code=code("train_classifier.py"),
    script:
        "../workflow_scripts/train_classifier.py"


rule fit_colour_baseline:
    """Fit the colour-only baseline: what mean and spread of R, G and B alone give away."""
    input:
        train=patches_of("train"),
        train_slides=read_in_training("train"),
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/weights.json",
    log:
        "logs/fit_colour_baseline/{model}.log",
    benchmark:
        "benchmarks/fit_colour_baseline/{model}.tsv"
    wildcard_constraints:
        model=models_of("colour"),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=training_memory,
        runtime=240,
    params:
        entry=model_entry,
        data=training_data,
        code=code("fit_colour_baseline.py"),
    script:
        "../workflow_scripts/fit_colour_baseline.py"


rule training_curves:
    """Draw loss and accuracy per epoch."""
    input:
        curves="results/models/{model}/{run}_curves.csv",
    output:
        figure=report(
            "results/models/{model}/{run}_curves.png",
            caption="captions/curves.rst",
            category="3 Training",
            labels={"model": "{model}", "curves": "{run}"},
        ),
    log:
        "logs/training_curves/{model}_{run}.log",
    benchmark:
        "benchmarks/training_curves/{model}_{run}.tsv"
    wildcard_constraints:
        run="pretraining|training",
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("training_curves.py"),
    script:
        "../workflow_scripts/training_curves.py"
