"""What a model is trained on: stored patches, or the slides themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.errors import InputError
from microtome.patches.grid import Grid
from microtome.patches.zarr_groups import open_store, read_grid
from microtome.rasters.label_tiff import open_raster
from microtome.slides.inspection import read_inspected
from microtome.training.batches import PatchData, Patches
from microtome.training.random_placement import Moves
from microtome.training.slide_source import SlideData
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
        ``train`` and ``validation``, of lists and numbers only.
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
    inspected : sequence of str or Path
        With grids: what `inspect` found each slide to be, under the same names.
    labelled, workers
        Arguments of `Patches`.
    min_tissue_fraction : float
        With grids: a patch must hold more tissue than this.
    slide_settings : dict
        The config's section ``slide``.
    slide_paths : sequence of str or Path
        With grids: the slides, in the order of `inspected`.
    spacings_um, own
        Further spacings, and whether to read the patches' own: arguments of `PatchData`.
    truths : sequence of str or Path
        The slides' truth maps, where the truth of every px is wanted.
    max_blob_px : int
        Holes in the tumour of at most so many px are closed.
    moves : Moves, optional
        How far patches are moved in training, with grids only.
    copies : mapping of str to str, optional
        Files to read instead of slides, by the slide's id.

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
    settings = {"labelled": labelled, "workers": workers, "spacings_um": spacings_um, "own": own}
    if not inspected:
        grids = [read_grid(open_store(path)) for path in patches] if truths else []
        return PatchData(patches, truths=_open_truths(truths, grids, max_blob_px), **settings)
    slides = []
    for path, report, slide_path in zip(patches, inspected, slide_paths, strict=True):
        grid = Grid.load(path)
        grid = grid.subset(grid.tissue_fraction > min_tissue_fraction)
        info = read_inspected(report, slide_path=slide_path)
        slides.append((Path(path).stem, info, grid))
    found = _open_truths(truths, [grid for *_, grid in slides] if truths else [], max_blob_px)
    return SlideData(slides, truths=found, moves=moves, copies=copies, **settings, **slide_settings)


def _open_truths(
    paths: Sequence[str | Path], grids: Sequence[Grid], max_blob_px: int
) -> list[TruthPatches]:
    return [
        TruthPatches(open_raster(path), grid, max_blob_px=max_blob_px)
        for path, grid in zip(paths, grids, strict=True)
    ]
