rule make_demo_cohort:
    """Draw one procedural slide of the demo cohort, with its truth in every format."""
    output:
        svs="demo/cohort/{slide}.svs",
        paip_xml="demo/cohort/{slide}_paip.xml",
        asap_xml="demo/cohort/{slide}_asap.xml",
        viable_mask="demo/cohort/{slide}_viable.tif",
        whole_mask="demo/cohort/{slide}_whole.tif",
    log:
        "logs/make_demo_cohort/{slide}.log",
    benchmark:
        "benchmarks/make_demo_cohort/{slide}.tsv"
    conda:
        "../envs/slides.yaml"
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        demo=config["demo"],
        code=code("make_demo_cohort.py"),
    script:
        "../workflow_scripts/make_demo_cohort.py"
