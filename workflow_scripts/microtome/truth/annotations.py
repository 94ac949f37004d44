"""Regions of tumour: the meaning of an annotation file's shapes, and their painting order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from microtome.errors import InputError
from microtome.rasters.polygon_fill import is_inside_rings
from microtome.truth.annotation_formats import read_shapes

# PAIP 2019 distinguishes its two layers by number only.
PAIP_LAYERS = {"1": "whole", "2": "viable"}

# To test quickly whether an outline lies in a hole, only this many of its points are tested.
PROBES = 100


@dataclass(frozen=True)
class Region:
    """An area to paint, or if it is a hole to erase from the regions painted before.

    Rings, each (n, 2), float64, are level-0 px, x and y, and are filled by the even-odd rule: a
    ring in a ring is a hole. Holes are always of viable tissue: the whole tumour has none.
    """

    rings: tuple[np.ndarray, ...]
    tissue: Literal["viable", "whole"]
    hole: bool = False

    @property
    def bounds_px(self) -> tuple[float, float, float, float]:
        """Smallest x, smallest y, largest x and largest y."""
        points = np.concatenate(self.rings)
        return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def read_annotation(
    path: str | Path, *, classes: Mapping[str, Sequence[str]]
) -> tuple[list[Region], list[str]]:
    """Read the tumour regions of an annotation file (formats: see `read_shapes`).

    Parameters
    ----------
    path : str or Path
        The annotation file.
    classes : mapping of str to sequence of str
        Names of classes under 'viable', 'whole' and 'hole'; case does not matter. A name is a
        group of ASAP, a classification of QuPath or a layer of ImageScope, whose layers 1 and 2
        are whole and viable tumour unless their names say otherwise.

    Returns
    -------
    regions : list of Region
        In painting order, whatever the order in the file: outlines, then the holes in them, then
        outlines inside those holes, and so on.
    notes : list of str
        What was ignored, one line each.

    Raises
    ------
    InputError
        The file cannot be read, or none of its shapes has a known class.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> text = '''<ASAP_Annotations><Annotations>
    ...   <Annotation Type="Polygon" PartOfGroup="metastases"><Coordinates>
    ...     <Coordinate Order="0" X="1" Y="1"/> <Coordinate Order="1" X="9" Y="1"/>
    ...     <Coordinate Order="2" X="9" Y="5"/>
    ...   </Coordinates></Annotation>
    ... </Annotations></ASAP_Annotations>'''
    >>> with NamedTemporaryFile(suffix=".xml") as file:
    ...     _ = Path(file.name).write_text(text)
    ...     (region,), notes = read_annotation(file.name, classes={"viable": ["metastases"]})
    >>> region.tissue, region.hole, region.bounds_px
    ('viable', False, (1.0, 1.0, 9.0, 5.0))
    """
    shapes, notes = read_shapes(path)
    roles = PAIP_LAYERS | {
        name.strip().casefold(): role for role, names in classes.items() for name in names
    }
    regions: list[Region] = []
    unknown: Counter[str] = Counter()
    degenerate = 0
    for shape in shapes:
        role = next((roles[name] for name in map(_normalize, shape.names) if name in roles), None)
        rings = tuple(ring for ring in shape.rings if len(_open_ring(ring)) >= 3)
        if role is None:
            unknown[shape.names[0] if shape.names else "(no class)"] += 1
        elif not shape.rings or len(_open_ring(shape.rings[0])) < 3:
            degenerate += 1
        elif shape.negative or role == "hole":
            regions.append(Region(rings, "viable", hole=True))
        else:
            regions.append(Region(rings, role))
    if unknown and unknown.total() == len(shapes):
        found = ", ".join(f"'{name}'" for name in unknown)
        raise InputError(
            f"{path}: no shape has a known class; found are {found}: "
            "put the names that mean tumour under annotation.classes in the configuration"
        )
    notes += [f"{path}: ignored {n} of unknown class '{name}'" for name, n in unknown.items()]
    if degenerate:
        notes.append(f"{path}: ignored {degenerate} with fewer than 3 points")
    if not shapes:
        notes.append(f"{path}: holds no outlines, so the slide counts as free of tumour")
    return _order_for_painting(regions), notes


def _normalize(name: str) -> str:
    return name.strip().casefold()


def _open_ring(ring: np.ndarray) -> np.ndarray:
    """Drop the last point if it repeats the first."""
    return ring[:-1] if len(ring) > 1 and np.array_equal(ring[0], ring[-1]) else ring


def _order_for_painting(regions: list[Region]) -> list[Region]:
    """Sort regions by the number of holes around them, outlines before holes; stable."""
    holes = [region for region in regions if region.hole]
    if not holes:
        return regions
    bounds, of_holes = (
        np.array([region.bounds_px for region in listed]) for listed in (regions, holes)
    )
    # Strictly inside, so that an outline that is repeated as a hole does not lie inside it.
    above_low = (bounds[:, None, :2] > of_holes[:, :2]).all(axis=2)
    boxed = above_low & (bounds[:, None, 2:] < of_holes[:, 2:]).all(axis=2)
    depth = [0] * len(regions)
    for index, hole in np.argwhere(boxed):
        outline = regions[index].rings[0]
        probes = outline[:: -(-len(outline) // PROBES)]
        depth[index] += bool(is_inside_rings(probes, holes[hole].rings).all())
    order = sorted(range(len(regions)), key=lambda index: (depth[index], regions[index].hole))
    return [regions[index] for index in order]
