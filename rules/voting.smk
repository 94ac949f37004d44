rule vote_slide:
    """Let the patches of all members of a vote decide the class of a slide."""
    input:
        scores=scores_of_voters,
        truth=truth_file,
    output:
        vote="results/votes/{model}/{slide}.json",
    log:
        "logs/vote_slide/{model}/{slide}.log",
    benchmark:
        "benchmarks/vote_slide/{model}/{slide}.tsv"
    group:
        "maps"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=mb_of("vote_slide"),
        runtime=min_of("vote_slide"),
    params:
        members=voters_of,
        row=cells("label"),
        code=code("vote_slide.py"),
    script:
        "../workflow_scripts/vote_slide.py"


rule vote_table:
    """Classes and vote shares of all scored slides in one table."""
    input:
        votes=of_scored_slides("results/votes/{model}/{slide}.json"),
    output:
        table=report(
            "results/votes/{model}.tsv",
            caption="captions/votes.rst",
            category="2 Slides",
            labels={"model": "{model}", "slide": "all", "result": "class by vote"},
        ),
        metrics="results/votes/{model}_cohort.json",
    log:
        "logs/vote_table/{model}.log",
    benchmark:
        "benchmarks/vote_table/{model}.tsv"
    localrule: True
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("vote_table.py"),
    script:
        "../workflow_scripts/vote_table.py"
