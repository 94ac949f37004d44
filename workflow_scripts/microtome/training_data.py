"""What a model is trained on: stored patches, or the slides themselves."""

from collections.abc import Sequence
from pathlib import Path

from microtome.datasets import PatchData, Patches
from microtome.files import read_json
from microtome.grids import Grid
from microtome.slide_data import SlideData


def open_training_data(
    patches: Sequence[str | Path],
    inspected: Sequence[str | Path],
    *,
    labelled: bool,
    workers: int,
    min_tissue_fraction: float,
    slide_settings: dict,
) -> Patches:
    """Open the patches of several slides.

    Parameters
    ----------
    patches : sequence of str or Path
        Patch stores (``.zarr``), or, where nothing is stored, the slides' grids (``.npz``).
    inspected : sequence of str or Path
        With grids: what `inspect` found each slide to be, under the same names.
    labelled, workers
        See `Patches`.
    min_tissue_fraction : float
        With grids: a patch must hold more tissue than this.
    slide_settings : dict
        The config's section ``slide``.

    Returns
    -------
    Patches
    """
    if not inspected:
        return PatchData(patches, labelled=labelled, workers=workers)
    slides = []
    for path, info in zip(patches, inspected, strict=True):
        grid = Grid.load(path)
        grid = grid.subset(grid.tissue_fraction > min_tissue_fraction)
        slides.append((Path(path).stem, read_json(info), grid))
    return SlideData(slides, labelled=labelled, workers=workers, **slide_settings)
