"""Opening what a training rule has as input: stored patches, or the slides themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.errors import InputError
from microtome.patches.grid import Grid
from microtome.patches.store import open_patches
from microtome.patches.zarr_groups import open_store, read_grid
from microtome.rasters.label_tiff import open_raster
from microtome.slides.inspection import read_inspected
from microtome.training.batches import Patches
from microtome.training.random_placement import Moves
from microtome.training.slide_source import slide_sources
from microtome.training.truth_source import TruthPatches


def slides_of_rule(files: Mapping[str, Sequence[str]]) -> dict[str, dict]:
    """What `inspect` found of each slide that a training rule reads itself, by the slide's id.

    `files` is the rule's input, as `data_of_rule` takes it; with stored patches there is none.
    """
    found = {}
    for part in ("train", "validation"):
        reports, slides = (files.get(f"{part}_{kind}", []) for kind in ("inspected", "slides"))
        for report, slide_path in zip(reports, slides, strict=True):
            found[Path(report).stem] = read_inspected(report, slide_path=slide_path)
    return found


def data_of_rule(
    files: Mapping[str, Sequence[str]], settings: dict, *, copies: Mapping[str, str]
) -> dict[str, dict]:
    """What a training rule is given to learn from, as arguments of `open_training_data`.

    Parameters
    ----------
    files : mapping of str to sequence of str
        The rule's input: ``train``, ``train_slides``, ``train_inspected``, where px are learnt
        ``train_truths``, and the same of ``validation``.
    settings : dict
        ``min_tissue_fraction`` and ``slide_settings``.
    copies : mapping of str to str
        Files to read instead of slides, by the slide's id.

    Returns
    -------
    dict
        ``train`` and ``validation``, of what JSON can hold.

    Examples
    --------
    >>> data_of_rule({"train": ["a.zarr"]}, {"min_tissue_fraction": 0.5}, copies={})["train"]
    ... # doctest: +NORMALIZE_WHITESPACE
    {'patches': ['a.zarr'], 'inspected': [], 'slide_paths': [], 'truths': [], 'copies': {},
     'min_tissue_fraction': 0.5}
    """
    return {
        part: {
            "patches": list(files.get(part, [])),
            "inspected": list(files.get(f"{part}_inspected", [])),
            "slide_paths": list(files.get(f"{part}_slides", [])),
            "truths": list(files.get(f"{part}_truths", [])),
            "copies": dict(copies),
            **settings,
        }
        for part in ("train", "validation")
    }


def open_training_data(
    patches: Sequence[str | Path],
    inspected: Sequence[str | Path],
    *,
    labelled: bool,
    workers: int,
    min_tissue_fraction: float,
    slide_settings: dict,
    slide_paths: Sequence[str | Path] = (),
    spacings_um: Sequence[float] = (),
    own: bool = True,
    truths: Sequence[str | Path] = (),
    max_blob_px: int = 0,
    moves: Moves | None = None,
    copies: Mapping[str, str] | None = None,
) -> Patches:
    """Open the patches of several slides.

    Parameters
    ----------
    patches : sequence of str or Path
        Patch stores (``.zarr``), or, where nothing is stored, the slides' grids (``.npz``).
    inspected, slide_paths : sequence of str or Path
        With grids: what `inspect` found each slide to be, under the same names, and the slides.
    labelled, workers, moves
        Arguments of `Patches`.
    min_tissue_fraction : float
        With grids: a patch must hold more tissue than this.
    slide_settings, copies
        With grids: the config's section ``slide``, and files to read instead, by the slide's id.
    spacings_um, own
        Further spacings, and whether to read the patches' own.
    truths, max_blob_px
        The slides' truth maps, where the truth of every px is wanted; holes in the tumour of at
        most so many px are closed.

    Raises
    ------
    InputError
        If stored patches are to be moved.
    """
    if moves and patches and not inspected:
        raise InputError(
            f"augmentation.shift_px and zoom: the patches of {Path(patches[0]).stem} are stored and"
            " cannot be moved; train on the slides, or leave both out"
        )
    of_patches = {"spacings_um": spacings_um, "own": own}
    if not inspected:
        grids = [read_grid(open_store(path)) for path in patches] if truths else []
        sources = [open_patches(path, **of_patches) for path in patches]
    else:
        slides = []
        for path, report, slide_path in zip(patches, inspected, slide_paths, strict=True):
            grid = Grid.load(path)
            grid = grid.subset(grid.tissue_fraction > min_tissue_fraction)
            info = read_inspected(report, slide_path=slide_path)
            slides.append((Path(path).stem, info, grid))
        grids = [grid for *_, grid in slides] if truths else []
        sources = slide_sources(slides, copies=copies, **of_patches, **slide_settings)
    opened = [
        TruthPatches(open_raster(path), grid, max_blob_px=max_blob_px)
        for path, grid in zip(truths, grids, strict=True)
    ]
    return Patches(sources, labelled=labelled, workers=workers, truths=opened, moves=moves)
