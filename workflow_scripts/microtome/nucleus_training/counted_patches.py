"""The sparsity of a crosswise autoencoder, from the nuclei that a person counts on some patches.

Hou et al. (2019), section 4.3.2: as many places are to be active as there are nuclei on average.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from microtome.errors import InputError
from microtome.io.atomic import atomic, read_json
from microtome.io.tables import read_table, write_table
from microtome.nucleus_images.pixels import read_image
from microtome.nucleus_training.slide_windows import open_slide_windows

_IMAGES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
COUNTS = "counts.csv"


def draw_from_grids(
    grids: str | Path, *, n: int, seed: int, min_tissue_fraction: float, slide_settings: dict
) -> Iterable[np.ndarray]:
    """Draw patches at random from the tissue of the slides in a folder of ``results/grids``.

    They are windows as pretraining draws them, (side, side, 3), uint8. InputError if there is no
    grid.
    """
    paths = sorted(p for p in Path(grids).glob("*.npz") if p.stat().st_size)
    reports = [Path(grids).parents[1] / "slides" / f"{path.stem}.json" for path in paths]
    if not paths:
        raise InputError(f"{grids}: holds no grids of slides (.npz)")
    for report in reports:
        if not report.exists():
            raise InputError(f"{report}: is not there; keep the grids in results/grids")
    windows = open_slide_windows(
        paths,
        reports,
        [read_json(report)["path"] for report in reports],
        n=n,
        seed=seed,
        workers=1,
        min_tissue_fraction=min_tissue_fraction,
        slide_settings=slide_settings,
        copies={},
    )
    for images, _ in windows.in_order(1):
        yield images[0].permute(1, 2, 0).numpy()


def draw_from_images(
    folder: str | Path, *, n: int, seed: int, patch_px: int
) -> Iterable[np.ndarray]:
    """Draw patches at random from the images in a folder, each place as likely as any other.

    They are (patch_px, patch_px, 3), uint8. InputError if no image holds one.
    """
    paths = sorted(p for p in Path(folder).iterdir() if p.suffix.lower() in _IMAGES)
    sizes = []
    for path in paths:
        height, width = read_image(path, about=str(path)).shape[:2]
        sizes.append((max(0, height - patch_px + 1), max(0, width - patch_px + 1)))
    places = np.array([rows * columns for rows, columns in sizes], np.int64)
    if not places.sum():
        raise InputError(f"{folder}: holds no image of {patch_px} x {patch_px} px or more")
    generator = np.random.default_rng(seed)
    for i in generator.choice(len(paths), n, p=places / places.sum()):
        row, column = (int(generator.integers(0, size)) for size in sizes[i])
        pixels = read_image(paths[i], about=str(paths[i]))
        yield pixels[row : row + patch_px, column : column + patch_px]


def write_patches_to_count(folder: str | Path, patches: Iterable[np.ndarray]) -> int:
    """Write patches as PNG, and a table to fill in; returns how many there are.

    InputError if the folder has such a table already: it may hold counts.
    """
    folder = Path(folder)
    if (folder / COUNTS).exists():
        raise InputError(f"{folder / COUNTS}: is there already; give another folder")
    rows = []
    for number, pixels in enumerate(patches, 1):
        name = f"patch_{number:03d}.png"
        with atomic(folder / name) as temporary, temporary.open("wb") as file:
            Image.fromarray(pixels).save(file, format="PNG")
        rows.append({"patch": name, "nuclei": ""})
    write_table(folder / COUNTS, rows)
    return len(rows)


def read_counts(path: str | Path) -> list[int]:
    r"""Read the column ``nuclei`` of a table of patches: a whole number a row.

    Raises
    ------
    InputError
        A line that names the row, if a count is missing or none.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".csv") as file:
    ...     print("patch,nuclei\npatch_001.png,9\npatch_002.png,11", file=file, flush=True)
    ...     read_counts(file.name)
    [9, 11]
    """
    counts = []
    rows = read_table(path)
    for number, row in enumerate(rows, 2):
        cell = (row.get("nuclei") or "").strip()
        if not cell.isdecimal():
            raise InputError(
                f"{path}: row {number}: nuclei is {cell or 'empty'}; write how many are on the"
                " patch, 0 if none"
            )
        counts.append(int(cell))
    if not counts:
        raise InputError(f"{path}: has no rows")
    return counts


def sparsity_of(counts: Sequence[int], *, patch_px: int, reduction: int) -> float:
    """Give the share of places, in percent, that hold a nucleus: the mean count by the places.

    Examples
    --------
    >>> sparsity_of([9, 11], patch_px=100, reduction=4)
    1.6
    """
    places = (patch_px // reduction) ** 2
    return 100 * sum(counts) / (len(counts) * places)
