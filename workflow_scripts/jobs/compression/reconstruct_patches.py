"""Rule reconstruct_patches: how near an autoencoder's reconstructions come to test patches."""

from microtome.compression.reconstruction import reconstruct_patches
from microtome.logs import start_log
from microtome.networks.devices import require_gpus, use_threads
from microtome.networks.registry import load_autoencoder
from microtome.patches.grid import Grid
from microtome.slides.inspection import open_inspected, read_inspected

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
use_threads(snakemake.threads)
name, model = snakemake.wildcards.slide, snakemake.wildcards.model
info = read_inspected(snakemake.input.inspected, slide_path=snakemake.input.slide)
cae = load_autoencoder(snakemake.input.cae, name=model, entry=snakemake.params.entry)
with open_inspected(info, name=name, **snakemake.params.slide) as slide:
    reconstruct_patches(
        snakemake.output.patches,
        cae,
        slide,
        Grid.load(snakemake.input.grid),
        most_patches=snakemake.params.compared_patches,
        batch=snakemake.params.batch,
        white_from=snakemake.params.white_from,
        threads=snakemake.threads,
        **snakemake.params.kept,
    )
