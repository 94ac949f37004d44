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
    """Write a folder with the truth of some slides in the layout of a challenge.

    The challenge is 'paip2019', 'camelyon16', 'camelyon17' or 'digestpath'. `files` are the viable
    masks (paip2019, digestpath) or outlines (camelyon16) of the slides, `statuses` their truth
    status (paip2019), and `rows` what the sheet says of lymph nodes (camelyon17).
    """
    with atomic(folder) as out:
        out.mkdir()
        match challenge:
            case "paip2019":
                for slide, path in zip(slides, files, strict=True):
                    shutil.copy(path, out / f"{slide}_viable.tif")
                burdens = [read_json(path)["burden"] for path in statuses]
                cells = zip(slides, burdens, strict=True)
                table = [{"wsi_id": slide, "pixel ratio": burden} for slide, burden in cells]
                write_table(out / "burdens.csv", table)
            case "camelyon16":
                for slide, path in zip(slides, files, strict=True):
                    shutil.copy(path, out / f"{slide}.xml")
                lines = [{"name": slide, "class": "Tumor"} for slide in slides]
                write_table(out / "reference.csv", lines)
            case "camelyon17":
                write_table(out / "stages.csv", _stage({slide: rows[slide] for slide in slides}))
            case "digestpath":
                for slide, path in zip(slides, files, strict=True):
                    mask = np.uint8(255) * (tifffile.imread(path) > 0)
                    Image.fromarray(mask).save(out / f"{slide}_mask.png")


def _stage(rows: Mapping[str, Mapping[str, str]]) -> list[dict]:
    found = []
    for patient in dict.fromkeys(row["patient"] for row in rows.values()):
        labels = {slide: row["label"] for slide, row in rows.items() if row["patient"] == patient}
        found.append({"patient": f"{patient}.zip", "stage": pn_stage(labels.values())})
        found += [{"patient": f"{slide}.tif", "stage": label} for slide, label in labels.items()]
    return found
