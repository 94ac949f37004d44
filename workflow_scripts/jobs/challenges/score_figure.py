"""Rule score_figure: the curves behind CAMELYON16's scores."""

from microtome.challenges.curve_figure import draw_camelyon16
from microtome.io.atomic import read_json
from microtome.io.tables import read_table
from microtome.logs import start_log

start_log(snakemake.log[0])
draw_camelyon16(
    snakemake.output.figure,
    read_json(snakemake.input.scores),
    read_table(snakemake.input.cases),
    name=snakemake.wildcards.submission,
)
