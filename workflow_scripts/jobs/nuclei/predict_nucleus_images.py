"""Rule predict_nucleus_images: what a network says of the images that judge it."""

from microtome.logs import start_log
from microtome.networks.devices import require_gpus
from microtome.nuclei.image_prediction import predict_images

start_log(snakemake.log[0])
require_gpus(snakemake.resources.gpu, allow_cpu=snakemake.config["allow_cpu"])
predict_images(
    snakemake.output.predictions,
    snakemake.params.images,
    name=snakemake.wildcards.model,
    entry=snakemake.params.entry,
    weights=snakemake.input.weights,
    threads=snakemake.threads,
    **snakemake.params.peaks,
)
