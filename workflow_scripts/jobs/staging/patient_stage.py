"""Rule patient_stage: the pN stage of every patient, and how well it agrees with the labels."""

from microtome.io.atomic import atomic, write_json
from microtome.io.tables import read_table, write_table
from microtome.logs import start_log
from microtome.staging.patients import COLUMNS, agreement, patient_rows, summary

start_log(snakemake.log[0])
nodes = read_table(snakemake.input.nodes)
patients = patient_rows(
    nodes, snakemake.params.rows, nodes_per_patient=snakemake.params.nodes_per_patient
)
found = agreement(
    nodes,
    patients,
    seed=snakemake.params.seed,
    validation=snakemake.input.get("validation"),
)
write_table(snakemake.output.patients, patients, columns=COLUMNS)
write_json(snakemake.output.agreement, found)
with atomic(snakemake.output.text) as path:
    path.write_text(summary(patients, found), encoding="utf-8")
