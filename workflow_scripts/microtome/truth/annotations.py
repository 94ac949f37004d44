"""Regions of tumour: the meaning of an annotation file's shapes, and their painting order."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import shapely

from microtome.errors import InputError
from microtome.rasters.polygon_fill import is_inside_rings
from microtome.truth.annotation_formats import read_shapes
from microtome.truth.shapes import Shape

# PAIP 2019 distinguishes its two layers by number only.
PAIP_LAYERS: dict[str | int, str] = {1: "whole", 2: "viable"}

# To test quickly whether an outline lies in a hole, only this many of its points are tested.
PROBES = 100

# An outline narrower than this share of its length is a line.
MIN_WIDTH = 1e-9

# Up to this share of its area an outline may go twice around, as the end of a stroke does.
MAX_TWICE = 0.01


@dataclass(frozen=True)
class Region:
    """An area to paint, or if it is a hole to erase.

    Rings, each (n, 2), float64, are level-0 px, x and y, and are filled by the even-odd rule: a
    ring in a ring is a hole. A hole with a layer is cut out of the regions of that layer, one
    without out of all of its tissue.
    """

    rings: tuple[np.ndarray, ...]
    tissue: Literal["viable", "whole"]
    hole: bool = False
    layer: tuple[str | int, ...] = ()

    @property
    def bounds_px(self) -> tuple[float, float, float, float]:
        """Smallest x, smallest y, largest x and largest y."""
        points = np.concatenate(self.rings)
        return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())

    def moved(self, by_px: Sequence[int]) -> Self:
        """Move the area by x and y."""
        return replace(self, rings=tuple(ring + np.array(by_px) for ring in self.rings))


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
        group of ASAP, a classification of QuPath, or the text of a region, else the name of its
        layer, in ImageScope and HALO. Of PAIP 2019, whose files name nothing, layers 1 and 2
        are whole and viable tumour.

    Returns
    -------
    regions : list of Region
        Outlines, then what is cut out; `order_for_painting` tells what lies in what.
    notes : list of str
        What was ignored, one line each.

    Raises
    ------
    InputError
        The file cannot be read, a region contradicts its layer, or there are shapes of which none
        has a known class and an area: that is not the same as no tumour.

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
        _normalize(name): role for role, names in classes.items() for name in names
    }
    regions, ignored = _find_regions(path, shapes, roles)
    notes += [f"{path}: ignored {n} {what}" for what, n in ignored.items()]
    if notes and not regions:
        what = ", ".join(note.removeprefix(f"{path}: ") for note in notes)
        raise InputError(
            f"{path}: nothing that is drawn has a known class and an area ({what}), which is not "
            "the same as no tumour; put the names that mean tumour under annotation.classes in "
            "the configuration, give what is drawn one of them, or delete it if there is none"
        )
    notes += _note_crossings(path, regions)
    if not shapes:
        notes.append(f"{path}: holds no outlines, so the slide counts as free of tumour")
    return regions, notes


def order_for_painting(regions: Sequence[Region]) -> list[list[Region]]:
    """Put regions of a tissue into the order in which they are painted, whatever that of the file.

    That is outlines, then the holes in them, then outlines inside those holes, and so on. Layers
    with holes of their own come apart, and are painted apart.
    """
    cut = {region.layer for region in regions if region.hole and region.layer}
    layers: dict[tuple[str | int, ...], list[Region]] = defaultdict(list)
    for region in regions:
        layers[region.layer if region.layer in cut else ()].append(region)
    others = layers.pop((), [])
    holes = [region for region in others if region.hole]
    return [_order_by_depth(listed) for listed in (others, *(v + holes for v in layers.values()))]


def _normalize(name: str | int) -> str | int:
    return " ".join(name.split()).casefold() if isinstance(name, str) else name


def _find_regions(
    path: str | Path, shapes: Sequence[Shape], roles: Mapping[str | int, str]
) -> tuple[list[Region], Counter[str]]:
    """Find what shapes are; count what is ignored, and why."""
    regions: list[Region] = []
    drawn: dict[tuple[str | int, ...], set[str]] = defaultdict(set)
    ignored: Counter[str] = Counter()
    # Outlines first: they say what there is in a layer to be cut.
    for shape in sorted(shapes, key=lambda shape: shape.negative):
        layer = tuple(map(_normalize, shape.layer))
        is_cut = shape.negative and layer in drawn
        role = _find_role(path, shape, roles)
        rings = tuple(filter(_has_area, shape.rings))
        if role is None and not is_cut:
            name = (*shape.names, *shape.layer)[0]
            ignored[f"of unknown class '{name}'"] += 1
        elif not rings or rings[0] is not shape.rings[0]:
            ignored["that enclose nothing"] += 1
        elif shape.negative and not regions:
            ignored["that are cut out (NegativeROA) where nothing is drawn"] += 1
        elif shape.negative:
            found = drawn[layer] if is_cut else {role}
            regions += _cut(path, rings, found, layer if is_cut else ())
        else:
            drawn[layer].add(role)
            is_hole = role == "hole"
            tissue, of_layer = ("viable", ()) if is_hole else (role, layer)
            regions.append(Region(rings, tissue, hole=is_hole, layer=of_layer))
    return regions, ignored


def _find_role(path: str | Path, shape: Shape, roles: Mapping[str | int, str]) -> str | None:
    """Find what a shape is by its own names, or without any by those of its layer."""
    own, of_layer = (
        next((roles[name] for name in map(_normalize, names) if name in roles), None)
        for names in (shape.names, shape.layer)
    )
    if shape.names and own is None and of_layer is not None:
        raise InputError(
            f"{path}: a region of '{shape.layer[0]}' has the text or group '{shape.names[0]}', "
            "which is no known class; put it under annotation.classes, or take it away"
        )
    return own or of_layer


def _cut(
    path: str | Path, rings: tuple[np.ndarray, ...], roles: set[str], layer: tuple[str | int, ...]
) -> list[Region]:
    """Cut rings out of what has these roles in a layer; no viable tumour is where none is whole."""
    if layer and "hole" in roles:
        raise InputError(
            f"{path}: layer '{layer[0]}' is itself cut out, and has negative regions; "
            "outline what is left"
        )
    if "whole" in roles:
        return [Region(rings, "whole", hole=True, layer=layer), Region(rings, "viable", hole=True)]
    return [Region(rings, "viable", hole=True, layer=layer)]


def _has_area(ring: np.ndarray) -> bool:
    """Say whether not all corners lie on a line."""
    away = np.abs(ring - ring[:1]).max(axis=1)
    if len(ring) < 3 or not away.max() > 0:
        return False
    x, y = ((ring - ring[0]) / away.max()).T
    far = np.argmax(away)
    return bool(np.abs(x * y[far] - y * x[far]).max() > MIN_WIDTH)


def _note_crossings(path: str | Path, regions: Sequence[Region]) -> list[str]:
    """Note outlines that go twice around a part, which the even-odd rule leaves out."""
    rings = [shapely.Polygon(ring) for region in regions for ring in region.rings]
    crossed = np.array([ring for ring in rings if not ring.is_valid], dtype=object)
    # The area by the formula counts a part as often as the outline goes around it.
    twice = shapely.area(crossed) > (1 + MAX_TWICE) * shapely.area(shapely.make_valid(crossed))
    if not (n := np.count_nonzero(twice)):
        return []
    return [f"{path}: {n} outlines go twice around a part, which counts as outside; draw them anew"]


def _order_by_depth(regions: list[Region]) -> list[Region]:
    """Sort regions by the number of holes around them, outlines before holes; stable."""
    holes = [region for region in regions if region.hole]
    if not holes:
        return regions
    bounds, of_holes = (
        np.array([region.bounds_px for region in listed]) for listed in (regions, holes)
    )
    inner, outer = shapely.STRtree(shapely.box(*of_holes.T)).query(
        shapely.box(*bounds.T), predicate="within"
    )
    # Strictly inside, so that an outline that is repeated as a hole does not lie inside it.
    above_low = (bounds[inner, :2] > of_holes[outer, :2]).all(axis=1)
    strictly = above_low & (bounds[inner, 2:] < of_holes[outer, 2:]).all(axis=1)
    depth = [0] * len(regions)
    for index, hole in zip(inner[strictly], outer[strictly], strict=True):
        outline = regions[index].rings[0]
        probes = outline[:: -(-len(outline) // PROBES)]
        depth[index] += bool(is_inside_rings(probes, holes[hole].rings).all())
    order = sorted(range(len(regions)), key=lambda index: (depth[index], regions[index].hole))
    return [regions[index] for index in order]
