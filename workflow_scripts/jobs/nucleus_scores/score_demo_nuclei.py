"""Rule score_demo_nuclei: nuclei found on the demo's slides against those that were drawn."""

from microtome.io.atomic import read_json
from microtome.io.tables import write_table
from microtome.logs import start_log
from microtome.nuclei.table import read_nuclei
from microtome.nucleus_scores.slide_scores import list_rates, score_slide

start_log(snakemake.log[0])
given = snakemake.input
files = zip(given.nuclei, given.truth, given.tissue, given.inspected, strict=True)
scores = [
    score_slide(
        read_nuclei(nuclei, ["x_um", "y_um", "confidence"]),
        name=name,
        truth=truth,
        tissue=tissue,
        spacing_um=read_json(inspected)["spacing_um"],
        match_um=snakemake.params.match_um,
    )
    for name, (nuclei, truth, tissue, inspected) in zip(snakemake.params.slides, files, strict=True)
]
write_table(snakemake.output.scores, list_rates(scores))
