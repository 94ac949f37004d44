"""Rule make_demo_node: one drawn slide of a lymph node, with its annotation."""

from microtome.demo.files import write_asap_xml, write_nuclei_table, write_svs
from microtome.demo.nodes import draw_node
from microtome.io.atomic import atomic
from microtome.logs import start_log

start_log(snakemake.log[0])
demo, slide = snakemake.params.demo, snakemake.wildcards.slide
drawn = draw_node(slide, seed=demo["seed"], category=snakemake.params.row["label"])
with atomic(snakemake.output.svs) as path:
    write_svs(path, drawn.pixels, spacing_um=demo["spacing_um"], quality=demo["quality"])
with atomic(snakemake.output.asap_xml) as path:
    write_asap_xml(path, drawn.outlines)
write_nuclei_table(snakemake.output.nuclei, drawn.nuclei)
