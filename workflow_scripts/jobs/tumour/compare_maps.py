"""Rule compare_maps: the tumour maps of all models of a slide side by side, and their borders."""

from microtome.io.atomic import read_json
from microtome.logs import start_log
from microtome.slides.inspection import open_inspected, read_inspected
from microtome.tumour.border_figure import draw_borders
from microtome.tumour.model_maps_figure import draw_model_maps

start_log(snakemake.log[0])
models, name = snakemake.params.models, snakemake.wildcards.slide
metrics = [read_json(path)["metrics"] for path in snakemake.input.metrics]
shown = {
    "overview": snakemake.input.overview,
    "tissue": snakemake.input.tissue,
    "truth": snakemake.input.truth,
    "tumours": dict(zip(models, snakemake.input.tumours, strict=True)),
}
dice = {model: found["dice"] for model, found in zip(models, metrics, strict=True)}
draw_model_maps(snakemake.output.maps, name=name, dice=dice, **shown)
info = read_inspected(snakemake.input.inspected, slide_path=snakemake.input.slide)
with open_inspected(info, name=name, **snakemake.params.slide) as slide:
    draw_borders(snakemake.output.borders, slide=slide, **shown)
