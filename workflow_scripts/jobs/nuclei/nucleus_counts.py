"""Rule nucleus_counts: a slide's nuclei in tumour and in the rest of the tissue."""

from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.nuclei.counts import count_nuclei
from microtome.nuclei.table import read_nuclei

start_log(snakemake.log[0])
regions = count_nuclei(
    read_nuclei(snakemake.input.nuclei, ["x_um", "y_um", "class"]),
    tissue=snakemake.input.tissue,
    tumour=snakemake.input.get("tumour"),
)
about = {"slide": snakemake.wildcards.slide, "model": snakemake.wildcards.model}
about["tumour_map_of"] = snakemake.params.tumour_model
write_json(snakemake.output.counts, {**about, "regions": regions})
