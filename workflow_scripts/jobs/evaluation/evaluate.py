"""Rule evaluate: the figures of one model, per slide and over the cohort."""

from microtome.evaluation.metrics import cohort_metrics
from microtome.io.atomic import read_json, write_json
from microtome.io.tables import write_table
from microtome.logs import start_log

start_log(snakemake.log[0])
slides = [read_json(path) for path in snakemake.input.metrics]
write_table(snakemake.output.slides, [slide["metrics"] for slide in slides])
write_json(snakemake.output.cohort, cohort_metrics(slides))
