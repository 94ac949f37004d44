"""Small labelled images and what models say of them, as files."""

from pathlib import Path

import numpy as np
from PIL import Image

from microtome.nucleus_images.prediction_file import write_predictions

SPACING_UM = 0.5


def write_sheet(folder: Path, images: dict[str, dict]) -> Path:
    """Write images of 40 x 20 px at 0.5 µm/px, and the sheet.

    Of each the true ``points`` (µm), ``labels`` (20, 40) or ``attributes``.
    """
    columns = ("image", "path", "spacing_um", "nuclei", "labels", "attributes")
    used = [c for c in columns if c in columns[:3] or any(_key(c) in i for i in images.values())]
    lines = ["\t".join(used)]
    for name, image in images.items():
        row = {"image": name, "path": folder / f"{name}.png", "spacing_um": SPACING_UM}
        Image.new("RGB", (40, 20), "plum").save(row["path"])
        if "points" in image:
            row["nuclei"] = folder / f"{name}.csv"
            points = (f"{x / SPACING_UM},{y / SPACING_UM}\n" for x, y in image["points"])
            row["nuclei"].write_text("".join(["x_px,y_px\n", *points]))
        if "labels" in image:
            row["labels"] = folder / f"{name}_labels.png"
            Image.fromarray(image["labels"]).save(row["labels"])
        row["attributes"] = image.get("attributes", "")
        lines.append("\t".join(str(row.get(column, "")) for column in used))
    sheet = folder / "images.tsv"
    sheet.write_text("\n".join(lines) + "\n")
    return sheet


def write_found(folder: Path, found: dict[str, dict]) -> Path:
    """Write the predictions of a model; ``found`` are x, y (µm) and confidence of detections."""
    path = folder / "predictions.npz"
    with write_predictions(path) as file:
        for name, arrays in found.items():
            given = dict(arrays)
            if "found" in given:
                x, y, confidence = np.reshape(given.pop("found"), (-1, 3)).T
                given |= {"x_um": x, "y_um": y, "confidence": confidence.astype(np.float32)}
            file.add(name, **({"seconds": 1.0} | given))
    return path


def _key(column: str) -> str:
    return "points" if column == "nuclei" else column
