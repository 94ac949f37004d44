"""Rule nucleus_density: the nuclei per mm² of a slide's tissue."""

from microtome.io.atomic import read_json
from microtome.logs import start_log
from microtome.nuclei.density import write_density
from microtome.nuclei.table import read_nuclei

start_log(snakemake.log[0])
write_density(
    snakemake.output.density,
    read_nuclei(snakemake.input.nuclei, ["x_um", "y_um"]),
    tissue=snakemake.input.tissue,
    inspected=read_json(snakemake.input.inspected),
    spacing_um=snakemake.params.spacing_um,
    name=snakemake.wildcards.slide,
    slide_settings=snakemake.params.slide,
)
