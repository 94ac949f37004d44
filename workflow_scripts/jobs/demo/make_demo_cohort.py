"""Rule make_demo_cohort: one drawn slide, with its annotations and masks."""

from microtome.demo.files import (
    write_asap_xml,
    write_mask,
    write_nuclei_table,
    write_paip_xml,
    write_svs,
)
from microtome.demo.slide import draw_slide
from microtome.io.atomic import atomic
from microtome.logs import start_log

start_log(snakemake.log[0])
demo, slide = snakemake.params.demo, snakemake.wildcards.slide
drawn = draw_slide(
    slide,
    seed=demo["seed"],
    width_px=demo["width_px"],
    height_px=demo["height_px"],
    artefact=demo["artefacts"].get(slide),
    tumour=slide not in demo["normal"],
)
with atomic(snakemake.output.svs) as path:
    write_svs(path, drawn.pixels, spacing_um=demo["spacing_um"], quality=demo["quality"])
with atomic(snakemake.output.paip_xml) as path:
    write_paip_xml(path, drawn.outlines, spacing_um=demo["spacing_um"])
with atomic(snakemake.output.asap_xml) as path:
    write_asap_xml(path, drawn.outlines)
with atomic(snakemake.output.viable_mask) as path:
    write_mask(path, drawn.viable)
with atomic(snakemake.output.whole_mask) as path:
    write_mask(path, drawn.whole)
write_nuclei_table(snakemake.output.nuclei, drawn.nuclei)
