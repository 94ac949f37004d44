"""Rule compress_slide: the latents of a slide's patches."""

from microtome.compression import encode_slide, latent_shape, write_latents
from microtome.devices import require_gpus, use_threads
from microtome.files import read_json
from microtome.grids import Grid
from microtome.inspection import open_inspected
from microtome.logs import start_log
from microtome.registry import load_autoencoder
from microtome.scratch import on_scratch

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
use_threads(snakemake.threads)
name, model = snakemake.wildcards.slide, snakemake.wildcards.model
info = read_json(snakemake.input.inspected)
grid = Grid.load(snakemake.input.grid)
cae = load_autoencoder(snakemake.input.cae, name=model, entry=snakemake.params.entry)
with (
    on_scratch({name: info}, folder=snakemake.config["scratch_dir"]) as copies,
    open_inspected(info, name=name, read_from=copies.get(name), **snakemake.params.slide) as slide,
):
    write_latents(
        snakemake.output.latents,
        encode_slide(cae, slide, grid, batch=snakemake.params.batch, threads=snakemake.threads),
        grid,
        patch_shape=latent_shape(grid.patch_px),
        size_px=slide.size_px,
        precision=snakemake.params.precision,
        origin={"slide": name, "path": info["path"], "model": model},
    )
