"""The step of classifying the nuclei of a slide, from a table to a table with more columns.

Who only asks a worker for it needs no PyTorch: what takes seconds to import is imported inside.
"""

from collections.abc import Mapping
from pathlib import Path


def classify_nuclei_step(
    *,
    table: str | Path,
    nuclei: str | Path,
    name: str,
    model: str,
    slide_path: str | Path,
    inspected: str | Path,
    weights: str | Path,
    entry: Mapping,
    slide_settings: Mapping,
    threads: int,
    gpus: int,
    allow_cpu: bool,
    scratch_dir: str | None,
) -> None:
    """Write the `table` of a slide's `nuclei` with the attributes and the class of each.

    `model` and `entry` are name and entry of the classifier in the registry. InputError if there is
    no GPU, the weights are another network's, the slide is coarser than the classifier's spacing or
    has changed, or it gives what is not a number.
    """
    from dataclasses import replace  # noqa: PLC0415

    from microtome.logs import log  # noqa: PLC0415
    from microtome.networks.devices import require_gpus, use_threads  # noqa: PLC0415
    from microtome.networks.registry import load_model  # noqa: PLC0415
    from microtome.nuclei.classes import NucleusClasses, classify_nuclei  # noqa: PLC0415
    from microtome.nuclei.table import read_about, read_form, write_nuclei  # noqa: PLC0415
    from microtome.parallel.local_copies import copy_to_scratch  # noqa: PLC0415
    from microtome.slides.inspection import open_inspected, read_inspected  # noqa: PLC0415

    require_gpus(gpus, allow_cpu=allow_cpu)
    use_threads(threads)
    info = read_inspected(inspected, slide_path=slide_path)
    network = load_model(weights, name=model, entry=entry)
    classes = NucleusClasses(
        network,
        entry["attributes"],
        side_px=entry["patch_px"],
        shift_px=entry.get("augmentation", {}).get("shift_px", 0),
    )
    with (
        copy_to_scratch({name: info}, folder=scratch_dir) as copies,
        open_inspected(info, name=name, read_from=copies.get(name), **slide_settings) as slide,
    ):
        scale = slide.scale_for(entry["spacing_um"])
        classified = classify_nuclei(classes, slide, nuclei, scale=scale, threads=threads)
        n = write_nuclei(
            table,
            classified,
            about={**read_about(nuclei), "classes": model},
            form=replace(read_form(nuclei), attributes=classes.attributes),
        )
    log.info("%s: %d nuclei", name, n)
