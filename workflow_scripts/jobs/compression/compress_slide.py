"""Rule compress_slide: the latents of a slide's patches."""

from microtome.compression.encoding import encode_slide, latent_shape, write_latents
from microtome.logs import start_log
from microtome.networks.devices import require_gpus, use_threads
from microtome.networks.registry import load_autoencoder
from microtome.parallel.local_copies import copy_to_scratch
from microtome.patches.grid import Grid
from microtome.slides.inspection import open_inspected, read_inspected

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
use_threads(snakemake.threads)
name, model = snakemake.wildcards.slide, snakemake.wildcards.model
info = read_inspected(snakemake.input.inspected, slide_path=snakemake.input.slide)
grid = Grid.load(snakemake.input.grid)
cae = load_autoencoder(snakemake.input.cae, name=model, entry=snakemake.params.entry)
with (
    copy_to_scratch({name: info}, folder=snakemake.config["scratch_dir"]) as copies,
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
