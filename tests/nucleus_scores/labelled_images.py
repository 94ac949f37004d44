"""Small labelled images and what models say of them, as files."""

from pathlib import Path

import numpy as np
from PIL import Image

from microtome.nucleus_images.prediction_file import write_predictions

SPACING_UM = 0.5


def write_images(folder: Path, images: dict[str, dict]) -> list[dict]:
    """Write the truth of images of 40 x 20 px at 0.5 µm/px; give their rows of the sheet.

    Of each the true ``points`` (µm), ``labels`` (20, 40) or ``attributes``.
    """
    rows = []
    for name, image in images.items():
        row = {"image": name, "path": f"{name}.png", "spacing_um": SPACING_UM}
        if "points" in image:
            row["nuclei"] = str(folder / f"{name}.csv")
            points = (f"{x / SPACING_UM},{y / SPACING_UM}\n" for x, y in image["points"])
            Path(row["nuclei"]).write_text("".join(["x_px,y_px\n", *points]))
        if "labels" in image:
            row["labels"] = str(folder / f"{name}_labels.png")
            Image.fromarray(image["labels"]).save(row["labels"])
        if "attributes" in image:
            row["attributes"] = image["attributes"]
        rows.append(row)
    return rows


def write_found(folder: Path, found: dict[str, dict]) -> Path:
    """Write the predictions of a model; ``found`` are x, y (µm) and confidence of detections."""
    path = folder / "predictions.npz"
    with write_predictions(path) as file:
        for name, arrays in found.items():
            given = dict(arrays)
            if "found" in given:
                x, y, confidence = np.reshape(given.pop("found"), (-1, 3)).T
                given |= {"x_um": x, "y_um": y, "confidence": confidence.astype(np.float32)}
            file.add(name, **given)
    return path
