"""Rule tune: temperature and threshold of a model, by its validation slides."""

from microtome.calibration.tuning import tune
from microtome.io.atomic import write_json
from microtome.logs import start_log

start_log(snakemake.log[0])
keys = ("name", "scores", "inspected", "tissue", "truth")
files = zip(
    snakemake.params.slides,
    snakemake.input.scores,
    snakemake.input.inspected,
    snakemake.input.tissues,
    snakemake.input.truths,
    strict=True,
)
write_json(
    snakemake.output.calibration,
    tune(
        snakemake.wildcards.model,
        [dict(zip(keys, one, strict=True)) for one in files],
        is_calibrated=snakemake.params.is_calibrated,
        member=snakemake.params.member,
        spacing_um=snakemake.params.spacing_um,
        slide_settings=snakemake.params.slide,
        blending=snakemake.params.blending,
    ),
)
