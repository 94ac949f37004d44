"""Made-up data for the trials: tiles with masks, and tables of heatmap features."""

from pathlib import Path

import numpy as np
from PIL import Image

from helpers.pictures import noise
from microtome.io.tables import write_table
from microtome.staging.pn_stages import CLASSES

TILE_PX = 96
# Left edge of what is not tumour, in px.
EDGES_PX = {"s_1": 24, "s_2": 48, "s_3": 72}
TRUTH_TABLE = "derived_train_max_lesion_diameter.csv"
# For `microtome.staging.cross_validation.cross_validate`.
SMALL_FORESTS = {"seed": 1, "n_folds": 3, "n_trees": 4, "n_draws": 2, "n_shuffles": 1}


def write_tiles(folder: Path, edges_px: dict[str, int] = EDGES_PX) -> Path:
    """Write tiles of noise that is red where tumour is, and their masks."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for seed, (name, edge_px) in enumerate(edges_px.items()):
        pixels = noise(TILE_PX, TILE_PX, seed=seed)
        mask = np.zeros((TILE_PX, TILE_PX), np.uint8)
        mask[:, :edge_px] = 255
        pixels[..., 0] = mask
        Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return folder


def write_tables(folder: Path) -> Path:
    """Write tables of 10 normal and 14 tumour slides; names differ in case, as in the real ones."""
    rng = np.random.default_rng(0)
    truth = [{"slide": f"Normal_{i:03d}", "class": "negative"} for i in range(10)]
    truth += [{"slide": f"Tumor_{i:03d}", "class": CLASSES[1 + i % 3]} for i in range(14)]
    write_table(folder / TRUTH_TABLE, truth)
    for kind in ("normal", "tumor"):
        _write_features(
            folder, kind, [row for row in truth if row["slide"].lower().startswith(kind)], rng
        )
    return folder


def write_test_tables(folder: Path) -> None:
    """Write tables of nine test slides beside them: negative, micro and macro."""
    truth = [{"slide": f"test_{i:03d}", "class": CLASSES[(0, 2, 3)[i % 3]]} for i in range(9)]
    write_table(folder / "test_classes.csv", truth)
    _write_features(folder, "test", truth, np.random.default_rng(1))


def _write_features(folder: Path, kind: str, truth: list[dict], rng: np.random.Generator) -> None:
    for threshold in ("0.5", "0.9"):
        rows = [
            {
                "": i,
                "name": f"{row['slide'].lower()}.tif",
                "tumor": int(kind == "tumor"),
                "ratio": rng.random(),
                "major_axis_length_largest": CLASSES.index(row["class"]) * 100 + rng.random(),
            }
            for i, row in enumerate(truth)
        ]
        write_table(folder / f"{kind}_threshold_{threshold}.csv", rows)
