"""Rule nucleus_geojson: a slide's nuclei for QuPath."""

from microtome.io.atomic import read_json
from microtome.logs import start_log
from microtome.nuclei.geojson import COLUMNS, write_nucleus_geojson
from microtome.nuclei.table import read_nuclei

start_log(snakemake.log[0])
write_nucleus_geojson(
    snakemake.output.geojson,
    read_nuclei(snakemake.input.nuclei, COLUMNS),
    bounds_px=read_json(snakemake.input.inspected)["bounds_px"],
)
