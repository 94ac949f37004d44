"""Truth of the demo cohort as the organizers of challenges hand it out."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from microtome.io.atomic import atomic, read_json
from microtome.io.tables import write_table
from microtome.staging.pn_stages import pn_stage


def write_truth(
    folder: str | Path,
    *,
    challenge: str,
    slides: Sequence[str],
    files: Sequence[str | Path],
    statuses: Sequence[str | Path],
    rows: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the truth of some slides.

    Parameters
    ----------
    folder : str or Path
        To write.
    challenge : {'paip2019', 'camelyon16', 'camelyon17', 'digestpath'}
        Whose layout.
    slides : sequence of str
        Demo slides.
    files : sequence of str or Path
        Viable masks (paip2019, digestpath) or outlines (camelyon16) of each.
    statuses : sequence of str or Path
        Truth status of each (paip2019).
    rows : mapping of str to mapping
        What the sheet says of lymph nodes (camelyon17).
    """
    paths = [Path(path) for path in files]
    with atomic(folder) as out:
        out.mkdir()
        match challenge:
            case "paip2019":
                for slide, path in zip(slides, paths, strict=True):
                    shutil.copy(path, out / f"{slide}_viable.tif")
                burdens = [read_json(path)["burden"] for path in statuses]
                cells = zip(slides, burdens, strict=True)
                table = [{"wsi_id": slide, "pixel ratio": burden} for slide, burden in cells]
                write_table(out / "burdens.csv", table)
            case "camelyon16":
                for slide, path in zip(slides, paths, strict=True):
                    shutil.copy(path, out / f"{slide}.xml")
                lines = [{"name": slide, "class": "Tumor"} for slide in slides]
                write_table(out / "reference.csv", lines)
            case "camelyon17":
                write_table(out / "stages.csv", _stages({slide: rows[slide] for slide in slides}))
            case "digestpath":
                for slide, path in zip(slides, paths, strict=True):
                    mask = tifffile.imread(path) > 0
                    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(
                        out / f"{slide}_mask.png"
                    )


def _stages(rows: Mapping[str, Mapping[str, str]]) -> list[dict]:
    found = []
    for patient in dict.fromkeys(row["patient"] for row in rows.values()):
        labels = {slide: row["label"] for slide, row in rows.items() if row["patient"] == patient}
        found.append({"patient": f"{patient}.zip", "stage": pn_stage(labels.values())})
        found += [{"patient": f"{slide}.tif", "stage": label} for slide, label in labels.items()]
    return found
