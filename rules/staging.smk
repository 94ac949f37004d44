rule slide_features:
    """Measure the tumour regions of a heatmap: what forests and the size rule look at."""
    input:
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tissue="results/tissue/{slide}.tif",
        calibration=planned(MODELS.threshold_source, "model"),
    output:
        features="results/features/{model}/{slide}.json",
    log:
        "logs/slide_features/{model}/{slide}.log",
    benchmark:
        "benchmarks/slide_features/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "slide_features"),
        runtime=asked(REQUESTS.minutes, "slide_features"),
    params:
        segmentation=planned(MODELS.segmentation, "model"),
        merge_um=config["staging"]["merge_um"],
        code=code("staging/slide_features.py"),
    script:
        "../workflow_scripts/jobs/staging/slide_features.py"


rule feature_table:
    """Features of all lymph nodes in one table."""
    input:
        features=planned(STAGING.features),
    output:
        table="results/staging/features.tsv",
    log:
        "logs/feature_table.log",
    benchmark:
        "benchmarks/feature_table.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        slides=planned(STAGING.usable),
        rows=planned(STAGING.rows),
        code=code("staging/feature_table.py"),
    script:
        "../workflow_scripts/jobs/staging/feature_table.py"


rule train_forests:
    """Train four random forests on nodes with a label, and cross-validate them by patient."""
    input:
        table="results/staging/features.tsv",
    output:
        forests="results/staging/forests.safetensors",
        card="results/staging/forests.json",
        cross_validation="results/staging/cross_validation.tsv",
        validation="results/staging/validation.json",
        importances="results/staging/importances.tsv",
    log:
        "logs/train_forests.log",
    benchmark:
        "benchmarks/train_forests.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(4000),
        runtime=more_each_retry(240),
    params:
        trees=config["staging"]["trees"],
        draws=config["staging"]["draws"],
        min_leaf=config["staging"]["min_leaf"],
        max_features=config["staging"]["max_features"],
        folds=config["staging"]["folds"],
        seed=config["staging"]["seed"],
        spacing_um=config["heatmap"]["spacing_um"],
        annotated=planned(STAGING.annotated),
        code=code("staging/train_forests.py"),
    script:
        "../workflow_scripts/jobs/staging/train_forests.py"


rule classify_nodes:
    """Class of every lymph node, by the forests and by the size of its largest lesion."""
    input:
        table="results/staging/features.tsv",
        forests=planned(STAGING.forests),
        cross_validation=planned(
            STAGING.if_trained, path="results/staging/cross_validation.tsv"
        ),
    output:
        nodes=report(
            "results/staging/nodes.tsv",
            caption="captions/nodes.rst",
            category="5 Patients",
            labels={"result": "classes of lymph nodes"},
        ),
    log:
        "logs/classify_nodes.log",
    benchmark:
        "benchmarks/classify_nodes.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        spacing_um=config["heatmap"]["spacing_um"],
        given=planned(GIVEN.forests),
        code=code("staging/classify_nodes.py"),
    script:
        "../workflow_scripts/jobs/staging/classify_nodes.py"


rule patient_stage:
    """pN stage of every patient, and how well it agrees with the labels."""
    input:
        nodes="results/staging/nodes.tsv",
        validation=planned(STAGING.if_trained, path="results/staging/validation.json"),
    output:
        patients=report(
            "results/staging/patients.tsv",
            caption="captions/patients.rst",
            category="5 Patients",
            labels={"result": "pN stages"},
        ),
        table=report(
            "results/staging/agreement.tsv",
            caption="captions/agreement.rst",
            category="5 Patients",
            labels={"result": "kappa of each forest and of the vote"},
        ),
        labels=report(
            "results/staging/labels.tsv",
            caption="captions/labels.rst",
            category="5 Patients",
            labels={"result": "labels of the nodes"},
        ),
        agreement="results/staging/agreement.json",
        text="results/staging/summary.md",
    log:
        "logs/patient_stage.log",
    benchmark:
        "benchmarks/patient_stage.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        rows=planned(STAGING.rows),
        known_to_networks=planned(STAGING.known_to_networks),
        nodes_per_patient=config["staging"]["nodes_per_patient"],
        seed=config["staging"]["seed"],
        code=code("staging/patient_stage.py"),
    script:
        "../workflow_scripts/jobs/staging/patient_stage.py"


rule staging_figure:
    """Confusion matrices of nodes and patients, and what the forests look at."""
    input:
        nodes="results/staging/nodes.tsv",
        patients="results/staging/patients.tsv",
        agreement="results/staging/agreement.json",
        importances=planned(STAGING.if_trained, path="results/staging/importances.tsv"),
    output:
        figure=report(
            "results/staging/staging.png",
            caption="captions/staging.rst",
            category="5 Patients",
            labels={"result": "agreement"},
        ),
    log:
        "logs/staging_figure.log",
    benchmark:
        "benchmarks/staging_figure.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("staging/staging_figure.py"),
    script:
        "../workflow_scripts/jobs/staging/staging_figure.py"


rule patient_figure:
    """The lymph nodes of a patient side by side, with their classes."""
    input:
        nodes="results/staging/nodes.tsv",
        patients="results/staging/patients.tsv",
        overviews=planned(
            STAGING.of_patient, "patient", pattern="results/overviews/{slide}.jpg"
        ),
        tissues=planned(
            STAGING.of_patient, "patient", pattern="results/tissue/{slide}.tif"
        ),
        heatmaps=planned(
            STAGING.of_patient,
            "patient",
            pattern="results/heatmaps/{model}/{slide}.tif",
        ),
    output:
        figure=report(
            "results/figures/patients/{patient}.png",
            caption="captions/patient.rst",
            category="5 Patients",
            labels={"result": "{patient}"},
        ),
    log:
        "logs/patient_figure/{patient}.log",
    benchmark:
        "benchmarks/patient_figure/{patient}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "patient_figure"),
        runtime=more_each_retry(15),
    params:
        slides=planned(STAGING.usable_of, "patient"),
        code=code("staging/patient_figure.py"),
    script:
        "../workflow_scripts/jobs/staging/patient_figure.py"
