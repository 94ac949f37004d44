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
        submission=planned(SUBMISSIONS.scoring, "challenge", key="submission"),
        truth=planned(SUBMISSIONS.scoring, "challenge", key="truth"),
    output:
        scores="results/scoring/{challenge}.json",
        cases="results/scoring/{challenge}.csv",
    log:
        "logs/score_submission/{challenge}.log",
    benchmark:
        "benchmarks/score_submission/{challenge}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(4000),
        runtime=more_each_retry(240),
    params:
        given=planned(GIVEN.of_scoring, "challenge"),
        code=code("challenges/score_submission.py"),
    script:
        "../workflow_scripts/jobs/challenges/score_submission.py"


rule score:
    """Score the submissions that `scoring` names."""
    input:
        planned(SUBMISSIONS.scores),
