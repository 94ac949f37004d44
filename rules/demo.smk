rule make_demo_cohort:
    """Draw one procedural slide of the demo cohort, with its truth in every format."""
    output:
        svs="demo/cohort/{slide}.svs",
        paip_xml="demo/cohort/{slide}_paip.xml",
        asap_xml="demo/cohort/{slide}_asap.xml",
        viable_mask="demo/cohort/{slide}_viable.tif",
        whole_mask="demo/cohort/{slide}_whole.tif",
        nuclei="demo/cohort/{slide}_nuclei.csv",
    log:
        "logs/make_demo_cohort/{slide}.log",
    benchmark:
        "benchmarks/make_demo_cohort/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "make_demo_cohort"),
        runtime=more_each_retry(15),
    params:
        demo=config["demo"],
        code=code("demo/make_demo_cohort.py"),
    script:
        "../workflow_scripts/jobs/demo/make_demo_cohort.py"


rule make_demo_node:
    """Draw one procedural lymph node, with a metastasis of the size that its label says."""
    output:
        svs="demo/cohort/nodes/{slide}.svs",
        asap_xml="demo/cohort/nodes/{slide}_asap.xml",
        nuclei="demo/cohort/nodes/{slide}_nuclei.csv",
    log:
        "logs/make_demo_node/{slide}.log",
    benchmark:
        "benchmarks/make_demo_node/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=asked(REQUESTS.mb, "make_demo_node"),
        runtime=more_each_retry(15),
    params:
        demo=config["demo"],
        row=planned(COHORT.cells, "slide", columns=["label"]),
        code=code("demo/make_demo_node.py"),
    script:
        "../workflow_scripts/jobs/demo/make_demo_node.py"


rule make_demo_truth:
    """Lay out the truth of the demo cohort's test slides as a challenge's organizers do."""
    input:
        files=planned(DEMO_TRUTH.files, "challenge"),
        statuses=planned(DEMO_TRUTH.statuses, "challenge"),
    output:
        folder=directory("demo/cohort/truth/{challenge}"),
    log:
        "logs/make_demo_truth/{challenge}.log",
    benchmark:
        "benchmarks/make_demo_truth/{challenge}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=more_each_retry(2000),
        runtime=more_each_retry(15),
    params:
        slides=planned(DEMO_TRUTH.slides, "challenge"),
        rows=planned(STAGING.rows),
        code=code("demo/make_demo_truth.py"),
    script:
        "../workflow_scripts/jobs/demo/make_demo_truth.py"
