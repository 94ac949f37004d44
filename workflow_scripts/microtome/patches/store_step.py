"""Step of one slide: write its patches to a store."""

from collections.abc import Sequence
from pathlib import Path

from microtome.logs import log
from microtome.parallel.local_copies import copy_to_scratch
from microtome.patches.grid import Grid
from microtome.patches.pass_through import choose_codec, read_streams
from microtome.patches.reading import read_patches
from microtome.patches.store import write_patches
from microtome.slides.inspection import open_inspected, read_inspected


def extract_patches(
    path: str | Path,
    *,
    name: str,
    slide_path: str | Path,
    inspected: str | Path,
    grid: str | Path,
    threads: int,
    slide_settings: dict,
    min_tissue_fraction: float,
    codec: str,
    store_settings: dict,
    code: str,
    spacings_um: Sequence[float] = (),
    scratch_dir: str | None = None,
) -> None:
    """Write the patches of a slide that are worth training on, with enough tissue, to a store.

    The hash of the code is for the record. Raises InputError if the slide has changed, or cannot
    be stored as `codec` says.
    """
    info = read_inspected(inspected, slide_path=slide_path)
    patches = Grid.load(grid)
    patches = patches.subset(patches.tissue_fraction > min_tissue_fraction)
    with (
        copy_to_scratch({name: info}, folder=scratch_dir) as copies,
        open_inspected(info, name=name, read_from=copies.get(name), **slide_settings) as slide,
    ):
        chosen, why = choose_codec(codec, slide, patches, spacings_um=spacings_um)
        log.info("%s: patches are stored as %s: %s", name, chosen, why)
        if chosen == "pass-through":
            parts = read_streams(slide, patches)
        else:
            parts = read_patches(slide, patches, threads=threads, spacings_um=spacings_um)
        write_patches(
            path,
            parts,
            patches,
            origin={"slide": name, "path": info["path"], "code": code},
            codec=chosen,
            threads=threads,
            spacings_um=spacings_um,
            **store_settings,
        )
