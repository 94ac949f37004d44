"""A tumour map as polygons that QuPath opens, and that can be read back as an annotation.

Which classes there are, and their colours: `_CLASSES`.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely

from microtome.figures.colours import VIABLE_COLOUR, WHOLE_COLOUR
from microtome.io.atomic import atomic
from microtome.rasters.bands import ReadRows
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE, WHOLE
from microtome.rasters.outlines import trace_outlines

# Name of the class, as annotations have it, the least label that belongs to it (viable tumour is
# part of the whole), and colour.
_CLASSES = (
    ("whole tumor", WHOLE, WHOLE_COLOUR),
    ("viable tumor", VIABLE, VIABLE_COLOUR),
)
# Outlines pass the centre of a map px at sqrt(1/8) = 0.354 px; less than that moves none across.
_TOLERANCE = 0.34
_DECIMALS = 1


def write_tumour_polygons(
    path: str | Path,
    labels: Raster,
    *,
    slide_size_px: tuple[int, int],
    slide_spacing_um: float,
    bounds_px: Sequence[int] | None = None,
) -> None:
    """Write a tumour map as GeoJSON, one feature a line.

    The whole tumour is one MultiPolygon, before the viable tumour, of which every connected piece
    is a feature of its own. Features are annotations of the classes 'whole tumor' and
    'viable tumor'; coordinates are level-0 px, x and y, from where QuPath starts: the slide's
    corner, or that of the scan if it is a part of the slide. The measurement ``area_um2`` is that
    of the map's pixels. A map without tumour has no features. Painted again at the map's spacing,
    the polygons give the same map, but for pixels that the slide's border cuts.

    Parameters
    ----------
    labels : Raster
        Tumour map with the labels of `microtome.rasters.labels`.
    slide_size_px : tuple of int
        Width and height of level 0; the polygons end there.
    slide_spacing_um : float
        µm per px of level 0.
    bounds_px : sequence of int, optional
        x, y, width and height of the scan in level-0 px, where it is a part of the slide, as in
        `microtome.slides.openslide_source.read_bounds`.
    """
    scale = labels.spacing_um / slide_spacing_um
    corner_px = np.array(bounds_px[:2] if bounds_px else (0, 0))

    def move(points: np.ndarray) -> np.ndarray:
        return np.round(points - corner_px, _DECIMALS)

    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for name, least, colour in _CLASSES:

            def rows(first: int, n: int, least: int = least) -> np.ndarray:
                return labels.rows(first, n) >= least

            polygons, area_px = trace_polygons(
                rows, labels.shape, scale=scale, slide_size_px=slide_size_px
            )
            polygons = shapely.transform(polygons, move)
            area_um2 = area_px * labels.spacing_um**2
            if least == WHOLE and len(polygons):
                polygons, area_um2 = [shapely.multipolygons(polygons)], [area_um2.sum()]
            for polygon, area in zip(polygons, area_um2, strict=True):
                file.write(separator)
                file.writelines(_feature(polygon, name=name, colour=colour, area_um2=area))
                separator = ",\n"
        file.write("\n]}\n")


def trace_polygons(
    rows: ReadRows, shape: tuple[int, int], *, scale: float, slide_size_px: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Trace the pieces (4-connected) of a mask as polygons, simplified by a third of its px.

    The mask, rows of bool, has `scale` level-0 px per px. A px whose centre is beyond the slide is
    not in it.

    Returns
    -------
    polygons : ndarray of shape (n_pieces,), shapely.Polygon
        Valid and apart, in level-0 px with at most one decimal. As numbers, outer rings run
        counterclockwise and holes clockwise, as RFC 7946 has it.
    area_px : ndarray of shape (n_pieces,), int64
        Px of the mask in every piece.

    Examples
    --------
    >>> from microtome.rasters.bands import rows_of
    >>> mask = rows_of(np.array([[False, True]]))
    >>> polygons, area_px = trace_polygons(mask, (1, 2), scale=8.0, slide_size_px=(16, 8))
    >>> print(polygons[0], area_px)
    POLYGON ((8 4, 12 0, 16 4, 12 8, 8 4)) [1]
    """
    width, height = (
        min(n, math.ceil(side / scale - 0.5))
        for n, side in zip(shape[::-1], slide_size_px, strict=True)
    )
    traced = trace_outlines(lambda first, n: rows(first, n)[:, :width], (height, width))
    # Rounded before points are dropped: those that stay are the rounded ones.
    points = np.minimum(np.round(traced.points * scale, _DECIMALS), slide_size_px)
    # Douglas-Peucker, ring by ring: rings are at least sqrt(1/2) = 0.707 px apart, so none crosses
    # another, and asking every ring about all others takes hours where there are many holes.
    n_points = np.diff(traced.ring_ends)
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(n_points)), n_points))
    rings = shapely.simplify(rings, _TOLERANCE * scale, preserve_topology=True)
    ring_ends = np.concatenate([[0], np.cumsum(shapely.get_num_coordinates(rings))])
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        shapely.get_coordinates(rings),
        (ring_ends, traced.piece_ends),
    )
    return polygons, traced.area_px


def _feature(
    geometry: shapely.Geometry, *, name: str, colour: str, area_um2: float
) -> Iterator[str]:
    properties = {
        "objectType": "annotation",
        "classification": {"name": name, "color": list(bytes.fromhex(colour[1:]))},
        "measurements": {"area_um2": round(float(area_um2), 1)},
    }
    yield f'{{"type": "Feature", "properties": {json.dumps(properties)}, "geometry": '
    yield re.sub(r"\.0\b", "", shapely.to_geojson(geometry))
    yield "}"
