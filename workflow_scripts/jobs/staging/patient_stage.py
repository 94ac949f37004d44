"""Rule patient_stage: the pN stage of every patient, and how well it agrees with the labels."""

from microtome.io.atomic import atomic, write_json
from microtome.io.tables import read_table, write_table
from microtome.logs import start_log
from microtome.staging.patients import (
    AGREEMENT,
    COLUMNS,
    LABELS,
    agreement_rows,
    label_rows,
    measure_agreement,
    patient_rows,
    summarize,
)

start_log(snakemake.log[0])
nodes = read_table(snakemake.input.nodes)
patients = patient_rows(
    nodes, snakemake.params.rows, nodes_per_patient=snakemake.params.nodes_per_patient
)
found = measure_agreement(
    nodes,
    patients,
    seed=snakemake.params.seed,
    known_to_networks=snakemake.params.known_to_networks,
    validation=snakemake.input.get("validation"),
)
write_table(snakemake.output.patients, patients, columns=COLUMNS)
write_table(snakemake.output.table, agreement_rows(found), columns=AGREEMENT)
write_table(snakemake.output.labels, label_rows(snakemake.params.rows), columns=LABELS)
write_json(snakemake.output.agreement, found)
with atomic(snakemake.output.text) as path:
    path.write_text(summarize(patients, found), encoding="utf-8")
