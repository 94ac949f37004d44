# Input and params functions of pN staging and of submissions.


def is_node(slide):
    """Say whether a slide is a patient's lymph node."""
    return "node" in SHEET[slide]


def staging_run(slide):
    """The run whose heatmap of a node is staged: with cross-validation the one that tests it."""
    name = staging_model(config)
    return f"{name}-fold{SHEET[slide]['fold']}" if N_FOLDS else name


def is_staged(slide, model):
    """Say whether a slide's class comes from a model's heatmap."""
    return is_node(slide) and model == staging_run(slide)


def usable_nodes(wildcards=None):
    """The lymph nodes that no step excluded."""
    return [slide for slide in usable_slides() if is_node(slide)]


def feature_files(wildcards):
    """The features of all usable nodes."""
    path = "results/features/{}/{}.json"
    return [path.format(staging_run(slide), slide) for slide in usable_nodes()]


def node_rows(wildcards):
    """What the sheet says of all nodes, excluded ones too."""
    columns = ("patient", "node", "split", "label")
    return {
        slide: {column: row.get(column, "") for column in columns}
        for slide, row in SHEET.items()
        if "node" in row
    }


def annotated_nodes(wildcards):
    """The nodes whose tumour is outlined, or that have none."""
    return [slide for slide in SHEET if is_node(slide) and is_annotated(slide)]


def learnt_nodes():
    """The usable nodes that forests are trained on."""
    rows = [(slide, SHEET[slide]) for slide in usable_nodes()]
    return [
        slide for slide, row in rows if "label" in row and row.get("split") != "test"
    ]


def trains_forests():
    """Say whether forests are trained here: there is something to tell apart."""
    labels = {SHEET[slide]["label"] for slide in learnt_nodes()}
    return config["staging"]["forests"] is None and len(labels) > 1


def forests_of(wildcards):
    """The forests that classify the nodes; none where there are none to train."""
    if trains_forests():
        return "results/staging/forests.safetensors"
    return config["staging"]["forests"] or []


def cross_validation_of(wildcards):
    """Classes of the nodes that the forests were trained on, by forests that were not."""
    return "results/staging/cross_validation.tsv" if trains_forests() else []


def validation_of_forests(wildcards):
    """How well the forests did in cross-validation, where they were trained here."""
    return "results/staging/validation.json" if trains_forests() else []


def importances_of(wildcards):
    """What the forests look at, where they were trained here."""
    return "results/staging/importances.tsv" if trains_forests() else []


def staged_patients():
    """The patients that have lymph nodes, in the sheet's order."""
    return list(
        dict.fromkeys(row["patient"] for row in SHEET.values() if "node" in row)
    )


def nodes_of(patient):
    """The usable nodes of a patient."""
    return [slide for slide in usable_nodes() if SHEET[slide]["patient"] == patient]


def nodes_of_patient(wildcards):
    """The same as a params function."""
    return nodes_of(wildcards.patient)


def of_nodes(pattern):
    """Make an input function: one file a usable node of the patient in the wildcards."""

    def files(wildcards):
        slides = nodes_of(wildcards.patient)
        return [pattern.format(model=staging_run(s), slide=s) for s in slides]

    return files


def staging_results(wildcards):
    """Classes of the nodes, stages and pictures of the patients, where the sheet has nodes."""
    figures = [
        f"results/figures/patients/{patient}.png"
        for patient in staged_patients()
        if nodes_of(patient)
    ]
    tables = ["results/staging/patients.tsv", "results/staging/staging.png"]
    return (tables + figures) if usable_nodes() else []


def weights_behind(model):
    """The weights of all networks behind a model."""
    return [weights_file(member) for member in members_of(model)]


def submitted_slides(model):
    """The slides that a submission must hold, excluded ones too."""
    return [slide for slide in SHEET if is_scored(slide, model)]


def submitted_patients():
    """The patients that a submission must hold: those that no forest was trained on."""
    learnt = {
        row["patient"]
        for row in SHEET.values()
        if "node" in row and "label" in row and row.get("split") != "test"
    }
    return [patient for patient in staged_patients() if patient not in learnt]


def submitted_cases(wildcards):
    """What a submission must hold: slides, or patients and their slides."""
    if wildcards.challenge != "camelyon17":
        return submitted_slides(wildcards.model)
    return {
        patient: [
            s
            for s, row in SHEET.items()
            if row.get("patient") == patient and is_node(s)
        ]
        for patient in submitted_patients()
    }


def submitted_files(wildcards):
    """The files that a submission is made of, or its tables come from."""
    challenge, model = wildcards.challenge, wildcards.model
    if challenge == "camelyon17":
        if model != staging_model(config):
            raise WorkflowError(
                f"a submission to camelyon17 comes from staging.model {staging_model(config)},"
                f" not from {model}"
            )
        return ["results/staging/nodes.tsv", "results/staging/patients.tsv"]
    masks = f"results/submissions/{challenge}/{model}/{{}}"
    patterns = {
        "paip2019": [f"{masks}.tif", f"results/burden/{model}/{{}}.json"],
        "camelyon16": [f"results/lesions/{model}/{{}}.csv"],
        "digestpath": [f"{masks}.png"],
    }[challenge]
    slides = scored_slides(model)
    return [pattern.format(slide) for pattern in patterns for slide in slides]


def inspected_slides(wildcards):
    """What is known of the slides of a submission."""
    if wildcards.challenge == "camelyon17":
        return []
    slides = scored_slides(wildcards.model)
    return [f"results/slides/{slide}.json" for slide in slides]


def networks_of_submission(wildcards):
    """Weights behind a submission, and the forests."""
    if wildcards.challenge != "camelyon17":
        return weights_behind(wildcards.model)
    runs = dict.fromkeys(staging_run(slide) for slide in usable_nodes())
    forests = forests_of(wildcards)
    return [w for run in runs for w in weights_behind(run)] + (
        [forests] if forests else []
    )


def config_of_results(wildcards):
    """The config, but for what has no bearing on a submission."""
    return {
        key: part
        for key, part in config.items()
        if key not in ("submissions", "scoring")
    }


def code_of_all(wildcards):
    """Hash of every script and what is behind it."""
    hashes = [
        code_hash(path, root=SCRIPTS)
        for path in sorted((SCRIPTS / "jobs").glob("*/*.py"))
    ]
    return sha256("".join(hashes).encode()).hexdigest()[:16]


def submissions(wildcards):
    """The submissions that the config asks for."""
    challenges = config["submissions"]
    found = [
        f"results/submissions/{challenge}/{model}.zip"
        for challenge in challenges
        if challenge != "camelyon17"
        for model in MAPPED
        if submitted_slides(model)
    ]
    if "camelyon17" in challenges:
        found.append(f"results/submissions/camelyon17/{staging_model(config)}.zip")
    return found


def scores_of_submissions(wildcards):
    """The scores that the config asks for."""
    if not config["scoring"]:
        raise WorkflowError(
            "config: scoring: is empty; give for instance --config"
            " 'scoring={camelyon17: {submission: mine.zip, truth: folder}}'"
        )
    return [f"results/scoring/{challenge}.json" for challenge in config["scoring"]]


def scoring_of(key):
    """Make an input function: what the config says of the scoring of a challenge."""

    def value(wildcards):
        if wildcards.challenge not in config["scoring"]:
            raise WorkflowError(f"config: scoring: has no {wildcards.challenge}")
        return config["scoring"][wildcards.challenge][key]

    return value


def demo_truth_slides(wildcards):
    """The demo cohort's slides that a challenge would score."""
    wants_nodes = wildcards.challenge == "camelyon17"
    return [
        slide
        for slide, row in SHEET.items()
        if row.get("split") == "test" and is_node(slide) == wants_nodes
    ]


def demo_truth_files(wildcards):
    """Their outlines or masks."""
    kinds = {
        "camelyon16": "asap.xml",
        "paip2019": "viable.tif",
        "digestpath": "viable.tif",
    }
    kind = kinds.get(wildcards.challenge)
    slides = demo_truth_slides(wildcards)
    return [f"{DEMO_COHORT}/{slide}_{kind}" for slide in slides] if kind else []


def demo_truth_statuses(wildcards):
    """Their burdens."""
    if wildcards.challenge != "paip2019":
        return []
    return [f"results/truth/{slide}.json" for slide in demo_truth_slides(wildcards)]
