"""What another stain, or a darker scan, does to models: copies of test slides that are shifted.

    python trials/stain_shift.py write demo/slides.tsv shifted
    snakemake results/evaluation/models.tsv --configfile recipes/demo_stain.yaml
    python trials/stain_shift.py table results

The first writes a copy of each test slide for each shift, and a sheet with the other slides and
these; the second trains the models once and scores all copies; the third prints two tables.

Stains are shifted by a factor: by Beer and Lambert's law the optical density is proportional to the
amount of dye and to the thickness of the section, and glass stays glass. Adding a constant would
colour the glass, which no stain does, and depends on the unit in which amounts are given.
Haematoxylin, eosin and residual are those of Ruifrok and Johnston, as scikit-image has them and the
augmentation `stain` (which adds, too): the kindest case for it.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.color import hed_from_rgb, rgb_from_hed

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from microtome.cohort.sheet_cells import write_cells  # noqa: E402
from microtome.cohort.sheet_rows import SLIDES, load_sheet  # noqa: E402
from microtome.demo.files import write_svs  # noqa: E402
from microtome.errors import InputError  # noqa: E402
from microtome.io.tables import read_table  # noqa: E402
from microtome.io.text_tables import markdown_table  # noqa: E402
from microtome.slides.slide import Slide  # noqa: E402

# A copy is compressed once more, the unchanged one too: so that little is lost of either.
_QUALITY = 95
_BAND_ROWS = 512
_BETWEEN = "."  # slide and shift, in the name of a copy; no model's table is called so


@dataclass(frozen=True)
class Shift:
    """Factors of the amounts of haematoxylin and eosin, and of the light."""

    haematoxylin: float = 1.0
    eosin: float = 1.0
    light: float = 1.0


SHIFTS = {
    "unchanged": Shift(),
    "haematoxylin_more": Shift(haematoxylin=1.1),
    "haematoxylin_less": Shift(haematoxylin=0.9),
    "eosin_more": Shift(eosin=1.1),
    "eosin_less": Shift(eosin=0.9),
    "darker": Shift(light=0.85),
}


def shift_pixels(pixels: np.ndarray, shift: Shift) -> np.ndarray:
    """Shift stain and light of RGB pixels, ndarray of shape (..., 3), uint8.

    Amounts may be negative on the way, as scikit-image's are not: what no stain explains is kept.

    Examples
    --------
    >>> pixels = np.array([[255, 255, 255], [100, 200, 50]], np.uint8)
    >>> shift_pixels(pixels, Shift(light=0.5)).tolist()
    [[128, 128, 128], [50, 100, 25]]
    """
    factors = np.diag([shift.haematoxylin, shift.eosin, 1.0])
    matrix = (hed_from_rgb @ factors @ rgb_from_hed).astype(np.float32)
    density = -np.log(np.arange(256, dtype=np.float32).clip(0.5) / 255)
    light = 255 * shift.light * np.exp(-(density[pixels] @ matrix))
    return np.rint(light).clip(0, 255).astype(np.uint8)


def write_shifted(sheet: Path, folder: Path) -> int:
    """Write copies of the test slides of a sheet, and `folder`/slides.tsv; give their number.

    In the new sheet are the slides of other splits as they were, and ``NAME.SHIFT`` for each shift
    of each test slide, with the truth of the slide; slides without a split and lymph nodes are not.
    """
    rows = [row for row in load_sheet(sheet).values() if "split" in row and "node" not in row]
    tested = [row for row in rows if row["split"] == "test"]
    if not tested:
        raise InputError(f"{sheet}: has no slide of split test that is not a lymph node")
    folder.mkdir(parents=True, exist_ok=True)
    found = [row for row in rows if row["split"] != "test"]
    for row in tested:
        with Slide(row["path"], name=row["slide"], spacing_um=row.get("spacing_um")) as slide:
            pixels = slide.read(0, 0, *slide.size_px, scale=1)
            spacing_um = slide.spacing_um
        for name, shift in SHIFTS.items():
            copy = f"{row['slide']}{_BETWEEN}{name}"
            shifted = np.empty_like(pixels)
            for top in range(0, len(pixels), _BAND_ROWS):
                band = slice(top, top + _BAND_ROWS)
                shifted[band] = shift_pixels(pixels[band], shift)
            path = folder / f"{copy}.svs"
            write_svs(path, shifted, spacing_um=spacing_um, quality=_QUALITY)
            found.append({**row, "slide": copy, "path": str(path)} | _copy_truth(row, folder, copy))
    columns = list(dict.fromkeys(column for row in found for column in row))
    write_cells(folder / "slides.tsv", columns, found)
    return len(tested) * len(SHIFTS)


def _copy_truth(row: Mapping, folder: Path, copy: str) -> dict[str, str]:
    """Copy the files of a slide's truth, for each slide of a sheet must have its own."""
    found = {}
    for column in (column for column in SLIDES.files if column in row and column != "path"):
        path = folder / f"{copy}_{column}{Path(row[column]).suffix}"
        shutil.copyfile(row[column], path)
        found[column] = str(path)
    return found


def shift_rows(evaluated: Mapping[str, list[dict[str, str]]], metric: str) -> list[dict]:
    """Give a row a model: the mean of a metric over the copies of each shift.

    `evaluated` are the tables per slide of each model, as text; the mean of ``accuracy`` is one of
    patches.
    """
    rows = []
    for model, slides in evaluated.items():
        row: dict[str, str | float] = {"model": model}
        for name in SHIFTS:
            copies = [one for one in slides if one["slide"].partition(_BETWEEN)[2] == name]
            if not copies:
                raise InputError(
                    f"{model}: no evaluated slide is called NAME{_BETWEEN}{name}; run"
                    " snakemake on the sheet of copies"
                )
            weights = [float(one["patches"]) if metric == "accuracy" else 1 for one in copies]
            values = [float(one[metric]) for one in copies]
            row[name.replace("_", " ")] = float(np.average(values, weights=weights))
        rows.append(row)
    return rows


def main() -> None:
    """Write the copies, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="copies of the test slides, and a sheet")
    write.add_argument("sheet", type=Path, help="slide sheet")
    write.add_argument("folder", type=Path, help="where the copies go")
    table = commands.add_parser("table", help="Dice and accuracy of each model and shift")
    table.add_argument("results", type=Path, help="folder of results")
    arguments = parser.parse_args()
    if arguments.command == "write":
        n = write_shifted(arguments.sheet, arguments.folder)
        print(f"{arguments.folder / 'slides.tsv'}: {n} copies")
        return
    models = arguments.results / "evaluation" / "models.tsv"
    if not models.exists():
        raise InputError(f"{models}: is missing; run snakemake with recipes/demo_stain.yaml first")
    names = [row["model"] for row in read_table(models)]
    evaluated = {name: read_table(models.with_name(f"{name}.csv")) for name in names}
    for metric in ("dice", "accuracy"):
        print(f"{metric.capitalize()}\n\n{markdown_table(shift_rows(evaluated, metric))}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
