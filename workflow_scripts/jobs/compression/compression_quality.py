"""Rule compression_quality: what latents keep of a slide, beside JPEG of the same size."""

from microtome.compression.decoding import compare
from microtome.compression.latents import open_latents
from microtome.io.atomic import write_json
from microtome.logs import start_log
from microtome.networks.devices import require_gpus, use_threads
from microtome.networks.registry import load_autoencoder
from microtome.slides.inspection import open_inspected, read_inspected

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
use_threads(snakemake.threads)
name = snakemake.wildcards.slide
info = read_inspected(snakemake.input.inspected, slide_path=snakemake.input.slide)
latents = open_latents(snakemake.input.latents)
cae = load_autoencoder(
    snakemake.input.cae, name=snakemake.wildcards.model, entry=snakemake.params.entry
)
with open_inspected(info, name=name, **snakemake.params.slide) as slide:
    found = compare(
        cae,
        slide,
        latents,
        most_patches=snakemake.params.compared_patches,
        batch=snakemake.params.batch,
        threads=snakemake.threads,
    )
write_json(snakemake.output.quality, {"slide": name, **found})
