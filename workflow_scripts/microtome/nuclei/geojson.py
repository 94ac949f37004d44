"""Nuclei as GeoJSON for QuPath: a detection each, with class, colour and measurements."""

import colorsys
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from microtome.io.atomic import atomic
from microtome.nuclei.table import PROBABILITY

# A nucleus without a class, and its colour: nothing in a stained slide is so green.
_NAME, _COLOUR = "nucleus", (0, 230, 118)
# Classes that QuPath has by itself, in lower case, have its colours.
_COLOURS = {
    "tumor": (200, 0, 0),
    "stroma": (150, 200, 150),
    "immune cells": (160, 90, 160),
    "necrosis": (50, 50, 50),
    "other": (255, 200, 0),
}
# Columns of a table of nuclei that are made use of, where they are; some become measurements.
_MEASURED = ("confidence", "haematoxylin", "area_um2")
COLUMNS = ("x_px", "y_px", *_MEASURED, f"{PROBABILITY}*", "class", "outline")
_DIGITS = 4


def write_nucleus_geojson(
    path: str | Path,
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    bounds_px: Sequence[int] | None = None,
) -> None:
    """Write nuclei as a FeatureCollection, one feature a line; memory is that of a batch.

    Each nucleus is a detection, QuPath's kind of object for very many: a point, or a polygon where
    it has an outline. Coordinates are level-0 px with two decimals, x and y, from where QuPath
    starts: the slide's corner, or that of the scan if it is a part of the slide. Measurements have
    four digits; what is not finite is left out.

    Parameters
    ----------
    batches : iterable of mapping of str to ndarray of shape (n,)
        ``x_px`` and ``y_px`` of level 0; where they are known ``confidence``, ``haematoxylin``,
        ``area_um2``, ``probability_NAME`` of attributes, ``class`` (str, '' for none) and
        ``outline`` (object: float arrays x, y, x, y ... of at least three corners, or empty).
    bounds_px : sequence of int, optional
        x, y, width and height of the scan in level-0 px, where it is a part of the slide, as in
        `microtome.slides.openslide_source.read_bounds`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> nuclei = {"x_px": np.array([12.5]), "y_px": np.array([8.0]), "class": np.array(["mitosis"])}
    >>> with TemporaryDirectory() as folder:
    ...     write_nucleus_geojson(Path(folder) / "a.geojson", [nuclei])
    ...     (found,) = json.loads((Path(folder) / "a.geojson").read_text())["features"]
    >>> found["geometry"], found["properties"]["classification"]["name"]
    ({'type': 'Point', 'coordinates': [12.5, 8.0]}, 'mitosis')
    """
    corner_px = tuple(bounds_px[:2]) if bounds_px else (0, 0)
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for batch in batches:
            for feature in _describe(batch, corner_px):
                file.write(separator)
                file.write(feature)
                separator = ",\n"
        file.write("\n]}\n")


def _describe(batch: Mapping[str, np.ndarray], corner_px: tuple[int, int]) -> Iterator[str]:
    """Give the text of each feature."""
    places = np.stack([batch["x_px"], batch["y_px"]], axis=1).astype(float) - corner_px
    n = len(places)
    names = batch["class"].tolist() if "class" in batch else [_NAME] * n
    kinds = {name: _describe_class(name) for name in set(names)}
    outlines = batch.get("outline", [()] * n)
    keys = [key for key in batch if key in _MEASURED or key.startswith(PROBABILITY)]
    measured = [_write_column(json.dumps(key), batch[key]) for key in keys]
    # Not json.dumps for each: ten million nuclei would take minutes.
    for (x, y), outline, name, *texts in zip(
        places.tolist(), outlines, names, *measured, strict=True
    ):
        if len(outline):
            geometry = _write_polygon(np.reshape(outline, (-1, 2)) - corner_px)
        else:
            geometry = f'{{"type": "Point", "coordinates": [{x:.2f}, {y:.2f}]}}'
        yield (
            f'{{"type": "Feature", "geometry": {geometry}, "properties": {{{kinds[name]},'
            f' "measurements": {{{", ".join(filter(None, texts))}}}}}}}'
        )


def _describe_class(name: str) -> str:
    # By its name: the same on all slides, and no list of classes is needed.
    hue = zlib.crc32(name.encode()) / 2**32
    drawn = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 0.95))
    colour = _COLOURS.get(name.lower(), drawn) if name not in ("", _NAME) else _COLOUR
    classification = {"name": name or _NAME, "color": list(colour)}
    return f'"objectType": "detection", "classification": {json.dumps(classification)}'


def _write_column(key: str, values: np.ndarray) -> list[str]:
    return [
        f"{key}: {value:.{_DIGITS}g}" if math.isfinite(value) else "" for value in values.tolist()
    ]


def _write_polygon(corners: np.ndarray) -> str:
    """Write an outline as a closed ring, counterclockwise as numbers, as RFC 7946 has it."""
    x, y = corners.T.astype(float)
    twice_area = np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))
    turned = corners if twice_area > 0 else corners[::-1]
    ring = ", ".join(f"[{x:.2f}, {y:.2f}]" for x, y in [*turned.tolist(), turned[0].tolist()])
    return f'{{"type": "Polygon", "coordinates": [[{ring}]]}}'
