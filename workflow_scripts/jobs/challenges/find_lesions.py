"""Rule find_lesions: local maxima of a heatmap, with their place on the slide."""

from microtome.challenges.camelyon16_lesions import find_slide_lesions
from microtome.logs import start_log
from microtome.submission.files import write_detections

start_log(snakemake.log[0])
write_detections(
    snakemake.output.lesions,
    find_slide_lesions(
        snakemake.input.heatmap,
        tissue=snakemake.input.tissue,
        inspected=snakemake.input.inspected,
        **snakemake.params.lesions,
    ),
)
