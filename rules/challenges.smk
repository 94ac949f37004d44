rule find_lesions:
    """Local maxima of a heatmap, as CAMELYON16 asks for them."""
    input:
        heatmap="results/heatmaps/{model}/{slide}.tif",
        tissue="results/tissue/{slide}.tif",
        inspected="results/slides/{slide}.json",
    output:
        lesions="results/lesions/{model}/{slide}.csv",
    log:
        "logs/find_lesions/{model}/{slide}.log",
    benchmark:
        "benchmarks/find_lesions/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "find_lesions"),
        runtime=asked(REQUESTS.minutes, "find_lesions"),
    params:
        lesions=config["lesions"],
        code=code("challenges/find_lesions.py"),
    script:
        "../workflow_scripts/jobs/challenges/find_lesions.py"


rule score_submission:
    """Official scores of a submission, from it and the truth alone."""
    input:
        submission=planned(SUBMISSIONS.submission, "challenge", "submission"),
        truth=planned(SUBMISSIONS.truth, "challenge"),
    output:
        scores="results/scoring/{challenge}/{submission}.json",
        cases="results/scoring/{challenge}/{submission}.csv",
    log:
        "logs/score_submission/{challenge}/{submission}.log",
    benchmark:
        "benchmarks/score_submission/{challenge}/{submission}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(4000),
        runtime=more_each_retry(240),
    params:
        given=planned(GIVEN.of_scoring, "challenge", "submission"),
        code=code("challenges/score_submission.py"),
    script:
        "../workflow_scripts/jobs/challenges/score_submission.py"


rule score_figure:
    """Draw the FROC of the lesions and the ROC of the slides of a scored submission."""
    input:
        scores="results/scoring/{challenge}/{submission}.json",
        cases="results/scoring/{challenge}/{submission}.csv",
    output:
        figure=report(
            "results/scoring/{challenge}/{submission}.png",
            caption="captions/score_curves.rst",
            category="6 Scores",
            labels={"challenge": "{challenge}", "result": "curves of {submission}"},
        ),
    log:
        "logs/score_figure/{challenge}/{submission}.log",
    benchmark:
        "benchmarks/score_figure/{challenge}/{submission}.tsv"
    wildcard_constraints:
        challenge="camelyon16",
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("challenges/score_figure.py"),
    script:
        "../workflow_scripts/jobs/challenges/score_figure.py"


rule score_table:
    """The submissions to a challenge side by side."""
    input:
        scores=planned(SUBMISSIONS.scores_of, "challenge"),
    output:
        table=report(
            "results/scoring/{challenge}.tsv",
            caption="captions/score_table.rst",
            category="6 Scores",
            labels={"challenge": "{challenge}", "result": "scores"},
        ),
    log:
        "logs/score_table/{challenge}.log",
    benchmark:
        "benchmarks/score_table/{challenge}.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        submissions=planned(SUBMISSIONS.scored, "challenge"),
        code=code("challenges/score_table.py"),
    script:
        "../workflow_scripts/jobs/challenges/score_table.py"


rule score:
    """Score the submissions that `scoring` names."""
    input:
        planned(SUBMISSIONS.scores),
