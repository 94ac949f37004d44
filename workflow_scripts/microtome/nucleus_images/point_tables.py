"""Tables of points: one nucleus a row, in px of its image, with a class where one is known."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from microtome.cohort.mistakes import refuse, suggest
from microtome.io.csv_cells import read_lines
from microtome.io.tables import write_table

COLUMNS = ("x_px", "y_px", "class")
_HEADER = "x_px,y_px, and class if you have it"


def read_point_table(path: Path, *, about: str) -> tuple[np.ndarray, list[str]]:
    """Read points and classes.

    Parameters
    ----------
    path : Path
        A CSV, or a TSV by its suffix, of the columns x_px, y_px and perhaps class: px from the
        image's upper left corner, so the centre of its first px is (0.5, 0.5). A file with its
        header alone is an image without nuclei.
    about : str
        What messages begin with.

    Returns
    -------
    points : ndarray of shape (n, 2), float64
        x and y in px.
    classes : list of str
        '' where none is given.

    Raises
    ------
    InputError
        A line for each mistake: no such table, other columns, cells that are no numbers, or a point
        that is there twice.
    """
    lines = read_lines(path, shown=about, delimiter="\t" if path.suffix == ".tsv" else ",")
    header = lines[0].cells if lines else []
    mistakes = [
        f"column {name!r} is not known{suggest(name, COLUMNS)}; it has {_HEADER}"
        for name in header
        if name not in COLUMNS
    ]
    mistakes += [f"has no column {n!r}; it has {_HEADER}" for n in COLUMNS[:2] if n not in header]
    refuse(mistakes, of=about)
    places = {name: header.index(name) for name in header}
    seen: dict[tuple[float, float], str] = {}
    points, classes = [], []
    for where, cells in lines[1:]:
        line = where.removeprefix(f"{about}, ")
        if len(cells) != len(header):
            mistakes.append(f"{line}: has {len(cells)} cells, the header {len(header)}")
            continue
        point = tuple(_parse(cells[places[name]]) for name in COLUMNS[:2])
        if not all(map(math.isfinite, point)):
            mistakes.append(f"{line}: {cells} has no two numbers of px")
        elif (first := seen.setdefault(point, line)) != line:
            mistakes.append(f"{line}: is the nucleus of {first} again; take one out")
        points.append(point)
        classes.append(cells[places["class"]] if "class" in places else "")
    refuse(mistakes, of=about)
    return np.array(points, np.float64).reshape(-1, 2), classes


def _parse(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def write_point_table(path: str | Path, points: np.ndarray, classes: Sequence[str] = ()) -> None:
    """Write points, (n, 2) x and y in px, and their classes where these are known.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     write_point_table(path, np.array([[0.5, 12.25]]), ["lymphocyte"])
    ...     read_point_table(path, about="image a")
    (array([[ 0.5 , 12.25]]), ['lymphocyte'])
    """
    columns = COLUMNS if len(classes) else COLUMNS[:2]
    cells = zip(points.tolist(), classes or [""] * len(points), strict=True)
    rows = [dict(zip(COLUMNS, (*point, name), strict=True)) for point, name in cells]
    write_table(path, rows, columns=columns)


def find_outside(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Tell which points, (n, 2) in px, lie outside an image of a shape: (n,), bool.

    Examples
    --------
    >>> find_outside(np.array([[0, 20], [40.5, 3]]), (20, 40, 3))
    array([False,  True])
    """
    height, width = shape[:2]
    x, y = np.asarray(points).reshape(-1, 2).T
    return (x < 0) | (y < 0) | (x > width) | (y > height)
