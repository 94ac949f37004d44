"""Rule score_slide: the tumour probability of every patch of a slide."""

from microtome.devices import use_threads
from microtome.files import read_json
from microtome.grids import Grid
from microtome.inference import score
from microtome.inspection import open_inspected
from microtome.logs import start_log
from microtome.registry import load_members
from microtome.score_stores import write_scores

start_log(snakemake.log[0])
use_threads(snakemake.threads)
name, entry = snakemake.wildcards.slide, snakemake.params.entry
info = read_json(snakemake.input.inspected)
grid = Grid.load(snakemake.input.grid)
members = load_members(snakemake.input.weights, entries=snakemake.params.members)
with open_inspected(info, name=name, **snakemake.params.slide) as slide:
    write_scores(
        snakemake.output.scores,
        score(
            members,
            slide,
            grid,
            batch=snakemake.params.batch,
            map_um=snakemake.params.heatmap_um,
            augmentations=entry.get("test_time_augmentation", ()),
            spacings_um=entry.get("further_spacings_um", ()),
            threads=snakemake.threads,
            compiled=snakemake.params.compiled,
        ),
        grid,
        origin={"slide": name, "path": info["path"], "model": snakemake.wildcards.model},
    )
