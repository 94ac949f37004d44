"""Rule reconstruct_slide: a slide's latents decoded to a picture."""

from microtome.compression.decoding import reconstruct_slide
from microtome.compression.latents import open_latents
from microtome.logs import start_log
from microtome.networks.devices import require_gpus, use_threads
from microtome.networks.registry import load_autoencoder

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
use_threads(snakemake.threads)
latents = open_latents(snakemake.input.latents)
cae = load_autoencoder(
    snakemake.input.cae, name=snakemake.wildcards.model, entry=snakemake.params.entry
)
reconstruct_slide(snakemake.output.picture, cae, latents, batch=snakemake.params.batch)
