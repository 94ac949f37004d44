"""The step of outlining the nuclei of a slide, from a table to a table with more columns.

Who only asks a worker for it needs no PyTorch: what takes seconds to import is imported inside.
"""

from collections.abc import Mapping
from pathlib import Path


def outline_nuclei_step(
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
    """Write the `table` of a slide's `nuclei` with the area and the outline of each.

    `model` and `entry` are name and entry of the segmenter in the registry. InputError if there is
    no GPU, the weights are another network's, the segmenter knows windows of one size alone, the
    slide is coarser than its spacing or has changed, or it gives what is not a number.
    """
    from dataclasses import replace  # noqa: PLC0415

    from microtome.logs import log  # noqa: PLC0415
    from microtome.networks.devices import require_gpus, use_threads  # noqa: PLC0415
    from microtome.networks.registry import load_model  # noqa: PLC0415
    from microtome.nuclei.outlines import NucleusOutliner, outline_nuclei  # noqa: PLC0415
    from microtome.nuclei.table import read_about, read_form, write_nuclei  # noqa: PLC0415
    from microtome.parallel.local_copies import copy_to_scratch  # noqa: PLC0415
    from microtome.slides.inspection import open_inspected, read_inspected  # noqa: PLC0415

    require_gpus(gpus, allow_cpu=allow_cpu)
    use_threads(threads)
    info = read_inspected(inspected, slide_path=slide_path)
    network = load_model(weights, name=model, entry=entry)
    with (
        copy_to_scratch({name: info}, folder=scratch_dir) as copies,
        open_inspected(info, name=name, read_from=copies.get(name), **slide_settings) as slide,
    ):
        scale = slide.scale_for(entry["spacing_um"])
        outliner = NucleusOutliner(network, spacing_um=slide.spacing_um * scale)
        outlined = outline_nuclei(outliner, slide, nuclei, scale=scale, threads=threads)
        n = write_nuclei(
            table,
            outlined,
            about={**read_about(nuclei), "outlines": model},
            form=replace(read_form(nuclei), outlined=True),
        )
    log.info("%s: %d nuclei", name, n)
