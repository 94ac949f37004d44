"""The step of finding the nuclei of a slide, from files to a table.

Who only asks a worker for it needs no PyTorch: what takes seconds to import is imported inside.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def find_nuclei_step(
    *,
    table: str | Path,
    name: str,
    model: str,
    slide_path: str | Path,
    inspected: str | Path,
    tissue: str | Path,
    weights: str | Path,
    entry: Mapping,
    settings: Mapping,
    threshold: str | Path | None,
    slide_settings: Mapping,
    threads: int,
    gpus: int,
    allow_cpu: bool,
    scratch_dir: str | None,
) -> None:
    """Write the table of the nuclei that a model finds on a slide.

    `entry` is the model's in the registry, `settings` are those of the config's section ``nuclei``;
    `threshold` is a file that has it, where they leave it to the validation images. InputError if
    there is no GPU, the weights are another network's, the slide is coarser than the model's
    spacing or has changed, or a network gives what is not a number.
    """
    from microtome.io.atomic import read_json  # noqa: PLC0415
    from microtome.logs import log  # noqa: PLC0415
    from microtome.networks.devices import require_gpus, use_threads  # noqa: PLC0415
    from microtome.networks.registry import load_model  # noqa: PLC0415
    from microtome.nuclei.finder import NucleusFinder  # noqa: PLC0415
    from microtome.nuclei.peaks import PeakSettings  # noqa: PLC0415
    from microtome.nuclei.table import Form, write_nuclei  # noqa: PLC0415
    from microtome.nuclei.windows import find_nuclei  # noqa: PLC0415
    from microtome.parallel.local_copies import copy_to_scratch  # noqa: PLC0415
    from microtome.rasters.label_tiff import open_raster  # noqa: PLC0415
    from microtome.slides.inspection import open_inspected, read_inspected  # noqa: PLC0415

    require_gpus(gpus, allow_cpu=allow_cpu)
    use_threads(threads)
    info = read_inspected(inspected, slide_path=slide_path)
    least = read_json(threshold)["threshold"] if threshold else settings["threshold"]
    peaks = {"min_distance_um": settings["min_distance_um"], "threshold": least}
    peaks["smoothing_um"] = settings["smoothing_um"]
    network = load_model(weights, name=model, entry=entry)
    with (
        copy_to_scratch({name: info}, folder=scratch_dir) as copies,
        open_inspected(info, name=name, read_from=copies.get(name), **slide_settings) as slide,
    ):
        scale = slide.scale_for(entry["spacing_um"])
        spacing_um = slide.spacing_um * scale
        latents = settings["latents"] and entry["kind"] == "crosswise"  # others have none
        finder = NucleusFinder(
            network, PeakSettings(**peaks), spacing_um=spacing_um, latents=latents
        )
        found = find_nuclei(finder, slide, open_raster(tissue), scale=scale, threads=threads)
        about = {
            "slide": name,
            "path": info["path"],
            "model": model,
            "spacing_um": spacing_um,
            "level_0_um": slide.spacing_um,
            **peaks,
        }
        n = write_nuclei(
            table,
            (_columns(nuclei, slide.spacing_um) for nuclei in found),
            about=about,
            form=Form(latent_depth=finder.latent_depth),
        )
    log.info("%s: %d nuclei", name, n)


def _columns(nuclei: Any, level_0_um: float) -> dict[str, Any]:
    columns = {
        "x_um": nuclei.x_px * level_0_um,
        "y_um": nuclei.y_px * level_0_um,
        "x_px": nuclei.x_px,
        "y_px": nuclei.y_px,
        "confidence": nuclei.confidence,
        "haematoxylin": nuclei.haematoxylin,
    }
    return columns if nuclei.latents is None else columns | {"latent": nuclei.latents}
