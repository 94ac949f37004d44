"""Shapes as drawn in an annotation file: XML of ImageScope, HALO and ASAP, GeoJSON of QuPath."""

from collections import Counter
from pathlib import Path

from microtome.errors import InputError
from microtome.truth.geojson_annotations import is_geojson, read_geojson
from microtome.truth.shapes import Shape
from microtome.truth.xml_annotations import read_xml

# Outlines of tumour take some tens of MB at most; 200 MB of XML take about 2 GB of memory.
MAX_BYTES = 200_000_000


def read_shapes(path: str | Path) -> tuple[list[Shape], list[str]]:
    """Read every outline of an annotation file; the content tells the format.

    Formats are XML of ImageScope (as in PAIP 2019), HALO and ASAP (as in CAMELYON), and GeoJSON;
    what of them is read is listed in docs/formats.md. Gives the shapes in the order of the file,
    and notes on what was ignored.

    Raises InputError if the file has another format, is damaged, is too large, declares XML
    entities or a document type, or holds a coordinate that is not a finite number.

    Examples
    --------
    >>> import json
    >>> from tempfile import NamedTemporaryFile
    >>> ring = [[0, 0], [9, 0], [9, 9]]
    >>> feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
    ...            "properties": {"classification": {"name": "Tumor"}}}
    >>> with NamedTemporaryFile(suffix=".json") as file:
    ...     _ = Path(file.name).write_text(json.dumps(feature))
    ...     shapes, notes = read_shapes(file.name)
    >>> shapes[0].names, shapes[0].rings[0].tolist(), notes
    (('Tumor',), [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]], [])
    """
    if (size := Path(path).stat().st_size) > MAX_BYTES:
        raise InputError(
            f"{path}: {size / 1e6:.0f} MB is too much for outlines of tumour "
            f"(at most {MAX_BYTES / 1e6:.0f} MB); export the tumour annotations only, without cells"
        )
    data = Path(path).read_bytes()
    if data.startswith((b"\x1f\x8b", b"PK")):
        raise InputError(f"{path}: is compressed (gzip or zip); unpack it")
    skipped: Counter[str] = Counter()
    if is_geojson(path):
        shapes = read_geojson(path, data, skipped)
    else:
        shapes = read_xml(path, data, skipped)
    listed = list(shapes)
    return listed, [f"{path}: ignored {n} {what}" for what, n in skipped.items()]
