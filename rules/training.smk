rule pretrain_cae:
    """Train a HistoCAE autoencoder to reconstruct the patches of one spacing; no labels."""
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
        weights="results/models/{model}/cae_{spacing}um.safetensors",
        card="results/models/{model}/cae_{spacing}um.json",
        curves="results/models/{model}/pretraining_{spacing}um_curves.csv",
    log:
        "logs/pretrain_cae/{model}_{spacing}um.log",
    benchmark:
        "benchmarks/pretrain_cae/{model}_{spacing}um.tsv"
    wildcard_constraints:
        model=MODELS.trained_here("histocae", "mr_histocae"),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=asked(REQUESTS.mb, "pretrain_cae"),
        runtime=asked(REQUESTS.minutes, "pretrain_cae"),
        gpu=planned(REQUESTS.training_gpus, "model"),
    params:
        entry=planned(MODELS.entry, "model"),
        checkpoint="results/checkpoints/{model}_pretraining_{spacing}um.safetensors",
        data=planned(MODELS.training_settings, "model"),
        given=planned(GIVEN.of_model, "model"),
        code=code("training/pretrain_cae.py", "model"),
    script:
        "../workflow_scripts/jobs/training/pretrain_cae.py"


rule train_classifier:
    """Train a patch classifier; HistoCAE and MR-HistoCAE start from their autoencoders."""
    input:
        train=planned(COHORT.learnt_patches, "model", split="train"),
        train_slides=planned(COHORT.slides_to_learn, "model", split="train"),
        train_inspected=planned(COHORT.inspected_to_learn, "model", split="train"),
        validation=planned(COHORT.learnt_patches, "model", split="validation"),
        validation_slides=planned(COHORT.slides_to_learn, "model", split="validation"),
        validation_inspected=planned(
            COHORT.inspected_to_learn, "model", split="validation"
        ),
        autoencoders=planned(MODELS.autoencoders, "model"),
        start=planned(MODELS.start, "model"),
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/weights.json",
        curves="results/models/{model}/training_curves.csv",
    log:
        "logs/train_classifier/{model}.log",
    benchmark:
        "benchmarks/train_classifier/{model}.tsv"
    wildcard_constraints:
        model=MODELS.trained_here("histocae", "mr_histocae", "classifier"),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=asked(REQUESTS.mb, "train_classifier"),
        runtime=asked(REQUESTS.minutes, "train_classifier"),
        gpu=planned(REQUESTS.training_gpus, "model"),
    params:
        entry=planned(MODELS.entry, "model"),
        checkpoint="results/checkpoints/{model}_training.safetensors",
        data=planned(MODELS.training_settings, "model"),
        given=planned(GIVEN.of_model, "model"),
        code=code("training/train_model.py", "model"),
    script:
        "../workflow_scripts/jobs/training/train_model.py"


rule train_segmenter:
    """Train a network that says of every pixel of a patch whether it is viable tumour."""
    input:
        train=planned(COHORT.learnt_patches, "model", split="train"),
        train_slides=planned(COHORT.slides_to_learn, "model", split="train"),
        train_inspected=planned(COHORT.inspected_to_learn, "model", split="train"),
        train_truths=planned(COHORT.learnt_truths, "model", split="train"),
        validation=planned(COHORT.learnt_patches, "model", split="validation"),
        validation_slides=planned(COHORT.slides_to_learn, "model", split="validation"),
        validation_inspected=planned(
            COHORT.inspected_to_learn, "model", split="validation"
        ),
        validation_truths=planned(COHORT.learnt_truths, "model", split="validation"),
        start=planned(MODELS.start, "model"),
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/weights.json",
        curves="results/models/{model}/training_curves.csv",
    log:
        "logs/train_segmenter/{model}.log",
    benchmark:
        "benchmarks/train_segmenter/{model}.tsv"
    wildcard_constraints:
        model=MODELS.trained_here("segmenter"),
    conda:
        "../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=asked(REQUESTS.mb, "train_segmenter"),
        runtime=asked(REQUESTS.minutes, "train_segmenter"),
        gpu=planned(REQUESTS.training_gpus, "model"),
    params:
        entry=planned(MODELS.entry, "model"),
        checkpoint="results/checkpoints/{model}_training.safetensors",
        data=planned(MODELS.training_settings, "model"),
        given=planned(GIVEN.of_model, "model"),
        code=code("training/train_model.py", "model"),
    script:
        "../workflow_scripts/jobs/training/train_model.py"


rule fit_colour_baseline:
    """Fit the colour-only baseline: what mean and spread of R, G and B alone give away."""
    input:
        train=planned(COHORT.learnt_patches, "model", split="train"),
        train_slides=planned(COHORT.slides_to_learn, "model", split="train"),
        train_inspected=planned(COHORT.inspected_to_learn, "model", split="train"),
    output:
        weights="results/models/{model}/weights.safetensors",
        card="results/models/{model}/weights.json",
    log:
        "logs/fit_colour_baseline/{model}.log",
    benchmark:
        "benchmarks/fit_colour_baseline/{model}.tsv"
    wildcard_constraints:
        model=MODELS.trained_here("colour"),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=asked(REQUESTS.mb, "fit_colour_baseline"),
        runtime=asked(REQUESTS.minutes, "fit_colour_baseline"),
    params:
        entry=planned(MODELS.entry, "model"),
        data=planned(MODELS.training_settings, "model"),
        code=code("training/fit_colour_baseline.py", "model"),
    script:
        "../workflow_scripts/jobs/training/fit_colour_baseline.py"


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
        run=r"pretraining_[0-9.]+um|training",
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("training/training_curves.py"),
    script:
        "../workflow_scripts/jobs/training/training_curves.py"


rule training_losses:
    """Draw the losses of all networks of this run side by side."""
    input:
        curves=planned(MODELS.curves_side_by_side),
    output:
        figure=report(
            "results/models/training_losses.png",
            caption="captions/training_losses.rst",
            category="3 Training",
            labels={"model": "all", "curves": "losses"},
        ),
    log:
        "logs/training_losses.log",
    benchmark:
        "benchmarks/training_losses.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        networks=planned(MODELS.losses),
        code=code("training/training_losses.py"),
    script:
        "../workflow_scripts/jobs/training/training_losses.py"
