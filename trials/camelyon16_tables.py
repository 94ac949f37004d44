"""A trial on real features: the four forests and what they are compared with, on CAMELYON16.

    python trials/camelyon16_tables.py FOLDER OUT

The features are another group's, of their heatmaps of the training slides and, where the folder has
them, of the test slides; forests, balancing, vote and cross-validation are the library's own.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from microtome.errors import InputError, one_line  # noqa: E402
from microtome.io.tables import read_table  # noqa: E402
from microtome.staging.cross_validation import cross_validate  # noqa: E402
from microtome.staging.forests import Slides  # noqa: E402
from microtome.staging.pn_stages import CLASSES  # noqa: E402
from node_figures import cross_validated, held_out  # noqa: E402
from node_methods import (  # noqa: E402
    BEST,
    METHODS,
    SINGLE,
    call_by_length,
    vote_of_chosen_forests,
    vote_of_forests,
)
from node_report import write_report  # noqa: E402

SEED = 2026
SEEDS = range(1, 6)
N_FOLDS = 5
N_SAMPLES = 1000
THRESHOLDS = {"_50": "0.5", "_90": "0.9"}
_TRUTH = "derived_train_max_lesion_diameter.csv"
_TEST_TRUTH = "test_classes.csv"
_NO_FEATURES = ("", "name", "tumor")  # a number of the row, the slide, the truth


def main() -> None:
    """Run the trial and write its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help=f"holds {_TRUTH} and the tables of features")
    parser.add_argument("results", type=Path, help="folder of results")
    arguments = parser.parse_args()
    started = time.perf_counter()
    slides, notes = load_slides(arguments.folder)
    tested, calls = None, {}
    if (arguments.folder / _TEST_TRUTH).exists():
        tested, more = load_slides(arguments.folder, _TEST_TRUTH, kinds=("test",))
        notes += more
        methods = {
            "settings chosen, 500 trees, one draw": vote_of_chosen_forests,
            "forests as they are": vote_as_set,
            "longest axis alone": call_by_length,
        }
        calls = held_out(methods, slides, tested, seeds=SEEDS)
    else:
        notes.append(f"{_TEST_TRUTH} is not there: nothing is said of slides nobody trained on")
    write_report(
        arguments.results,
        slides,
        cross_validate(slides, seed=SEED, n_folds=N_FOLDS, n_shuffles=2, **settings()),
        compared=cross_validated({**METHODS, **BEST}, slides, seeds=SEEDS, n_folds=N_FOLDS),
        tested=tested,
        calls=calls,
        notes=notes,
        n_samples=N_SAMPLES,
    )
    print(f"{time.perf_counter() - started:.0f} s", flush=True)


def settings() -> dict:
    """Read what config.yaml has for forests, as `train_forests` takes it."""
    staging = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["staging"]
    return {
        "n_trees": staging["trees"],
        "n_draws": staging["draws"],
        "min_leaf": staging["min_leaf"],
        "max_features": staging["max_features"],
    }


def vote_as_set(slides: Slides, tested: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ask forests with the settings of config.yaml."""
    return vote_of_forests(slides, tested, seed, **settings())


def load_slides(
    folder: Path, truth_name: str = _TRUTH, *, kinds: tuple[str, ...] = ("normal", "tumor")
) -> tuple[Slides, list[str]]:
    """Join features at both thresholds with the classes, by the slides' names in lower case.

    Returns
    -------
    Slides
        Each slide is its own patient; all are annotated, for their classes come from outlines.
    list of str
        What was left out.

    Raises
    ------
    InputError
        A table is missing or spoiled, or no slide is in all.
    """
    truth = _read_by_slide(folder / truth_name, "slide")
    found: dict[str, dict[str, dict[str, str]]] = {}
    for suffix, threshold in THRESHOLDS.items():
        found[suffix] = {}
        for kind in kinds:
            found[suffix] |= _read_by_slide(folder / f"{kind}_threshold_{threshold}.csv", "name")
    tables = {"the classes": truth} | {
        f"the features at {threshold}": found[suffix] for suffix, threshold in THRESHOLDS.items()
    }
    everywhere = sorted(set.intersection(*(set(table) for table in tables.values())))
    if not everywhere:
        raise InputError(f"{folder}: no slide is in all tables; give the folder as downloaded")
    notes = []
    for title, table in tables.items():
        left_out = sorted(set(table) - set(everywhere))
        if left_out:
            notes.append(f"{len(left_out)} slides of {title} left out: {', '.join(left_out)}")
    columns = [c for c in next(iter(found["_50"].values())) if c not in _NO_FEATURES]
    names = [f"{column}{suffix}" for suffix in THRESHOLDS for column in columns]
    if SINGLE not in names:
        raise InputError(f"{folder}: the tables of features lack {SINGLE.removesuffix('_50')}")
    features = [
        [_number(slide, c, found[suffix][slide].get(c)) for suffix in THRESHOLDS for c in columns]
        for slide in everywhere
    ]
    classes = [_class(slide, truth[slide].get("class")) for slide in everywhere]
    slides = Slides(
        features=np.array(features),
        classes=np.array(classes),
        annotated=np.ones(len(everywhere), bool),
        patients=np.array(everywhere),
        names=np.array(everywhere),
        feature_names=tuple(names),
    )
    return slides, notes


def _read_by_slide(path: Path, column: str) -> dict[str, dict[str, str]]:
    """Rows of a table by slide: lower case, without ``.tif``."""
    try:
        rows = read_table(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)}); give it anew") from error
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if not row.get(column):
            raise InputError(f"{path}: a row lacks {column}; every row is a slide")
        slide = row[column].lower().removesuffix(".tif")
        if slide in found:
            raise InputError(f"{path}: {one_line(slide)} is there twice; remove one")
        found[slide] = row
    if not found:
        raise InputError(f"{path}: has no rows; give it anew")
    return found


def _number(slide: str, column: str, cell: str | None) -> float:
    try:
        return float(cell or "")
    except ValueError as error:
        raise InputError(f"slide {slide}: {column} is {one_line(cell)}, no number") from error


def _class(slide: str, name: str | None) -> int:
    if name not in CLASSES:
        raise InputError(f"slide {slide}: class is {one_line(name)}, not {', '.join(CLASSES)}")
    return CLASSES.index(name)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
