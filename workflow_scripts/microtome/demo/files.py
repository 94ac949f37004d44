"""Files of the demo cohort, in the forms that scanners and challenges give them.

Nothing in them tells when or where they were written: the same slide gives the same bytes.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile

from microtome.demo.nuclei import Nuclei
from microtome.demo.outlines import Outlines
from microtome.io.tables import write_table
from microtome.rasters.block_mean import block_mean

SVS_TILE_PX = 256
# Aperio's usual pyramid at 20x.
DOWNSAMPLES = (1, 4, 16)
THUMBNAIL_PX = 768
# Lens of a scan at 1 µm/px, in the convention that 20x is 0.5 µm/px.
UNIT_MAGNIFICATION = 10

MASK_TILE_PX = 512

# ImageScope's colours are BGR integers: green and red.
PAIP_LAYERS = (("1", "65280"), ("2", "255"))
ASAP_GROUPS = (("metastases", "#ff0000"), ("normal", "#00ff00"))


def write_svs(
    path: str | Path, pixels: np.ndarray, *, spacing_um: float = 0.5, quality: int = 85
) -> None:
    """Write a slide as an Aperio scanner does, from uint8 RGB of shape (height, width, 3).

    Level 0, thumbnail, then the coarser levels, each a page of its own; JPEG of a quality of 1 to
    100 in YCbCr with half the resolution in colour.
    """
    height, width = pixels.shape[:2]
    levels = [pixels]
    for coarser, finer in zip(DOWNSAMPLES[1:], DOWNSAMPLES, strict=False):
        levels.append(block_mean(levels[-1], coarser // finer))
    head = f"Aperio Image Library v12.0.0\r\n{width}x{height}"
    tail = f"AppMag = {UNIT_MAGNIFICATION / spacing_um:g}|MPP = {spacing_um:.4f}"
    jpeg = {
        "photometric": "rgb",  # what is given: tifffile turns it into YCbCr
        "subsampling": (2, 2),
        "compression": "jpeg",
        "compressionargs": {"level": quality},
        "metadata": None,
        "software": False,
        "maxworkers": 1,
    }
    tiled = jpeg | {"tile": (SVS_TILE_PX, SVS_TILE_PX)}
    kind = f"[0,0 {width}x{height}] ({SVS_TILE_PX}x{SVS_TILE_PX})"
    # The coarsest level, brought to the usual height by leaving out rows and columns.
    every = max(1, -(-max(levels[-1].shape) // THUMBNAIL_PX))
    thumbnail = np.ascontiguousarray(levels[-1][::every, ::every])
    small = f"{thumbnail.shape[1]}x{thumbnail.shape[0]}"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(levels[0], description=f"{head} {kind} JPEG/RGB Q={quality}|{tail}", **tiled)
        tiff.write(thumbnail, description=f"{head} -> {small} - |{tail}", **jpeg)
        for level in levels[1:]:
            size = f"{level.shape[1]}x{level.shape[0]}"
            tiff.write(
                level, description=f"{head} {kind} -> {size} JPEG/RGB Q={quality}|{tail}", **tiled
            )


def write_mask(path: str | Path, mask: np.ndarray) -> None:
    """Write a bool mask as PAIP 2019 does: one level of the slide's size, 0 and 1, deflated."""
    tifffile.imwrite(
        path,
        mask.view(np.uint8),
        tile=(MASK_TILE_PX, MASK_TILE_PX),
        compression="zlib",
        compressionargs={"level": 4},
        photometric="minisblack",
        metadata=None,
        software=False,
        maxworkers=1,
    )


def write_nuclei_table(path: str | Path, nuclei: Nuclei) -> None:
    """Write where nuclei are, and of what: CSV, a line each, in the order of the slide's rows."""
    order = np.lexsort(nuclei.centres_px.T)
    cells = zip(nuclei.centres_px[order].tolist(), nuclei.kinds[order].tolist(), strict=True)
    rows = [{"x_px": f"{x:.1f}", "y_px": f"{y:.1f}", "class": kind} for (x, y), kind in cells]
    write_table(path, rows, columns=["x_px", "y_px", "class"])


def write_paip_xml(path: str | Path, outlines: Outlines, *, spacing_um: float = 0.5) -> None:
    """Write outlines as ImageScope does in PAIP 2019: layer 1 whole, layer 2 viable with holes.

    A slide without tumour gets two empty layers.
    """
    root = ElementTree.Element("Annotations", MicronsPerPixel=f"{spacing_um:g}")
    layers = ((outlines.whole, ()), (outlines.viable, outlines.holes))
    for (number, colour), (outer, holes) in zip(PAIP_LAYERS, layers, strict=True):
        drawn = {"Name": "", "ReadOnly": "0", "Type": "4", "Visible": "1", "LineColor": colour}
        layer = ElementTree.SubElement(root, "Annotation", Id=number, **drawn)
        regions = ElementTree.SubElement(layer, "Regions")
        rings = [(ring, "0") for ring in outer] + [(ring, "1") for ring in holes]
        for i, (ring, negative) in enumerate(rings, start=1):
            attributes = {"Id": str(i), "Type": "0", "NegativeROA": negative}
            region = ElementTree.SubElement(regions, "Region", attributes)
            vertices = ElementTree.SubElement(region, "Vertices")
            for x, y in _format(ring):
                ElementTree.SubElement(vertices, "Vertex", X=x, Y=y, Z="0")
    _write_xml(path, root)


def write_asap_xml(path: str | Path, outlines: Outlines) -> None:
    """Write viable tumour as ASAP does in CAMELYON17: group `metastases`, holes in `normal`.

    The whole tumour bed has no place in this format.
    """
    root = ElementTree.Element("ASAP_Annotations")
    annotations = ElementTree.SubElement(root, "Annotations")
    of_groups = zip(ASAP_GROUPS, (outlines.viable, outlines.holes), strict=True)
    drawn = [(ring, group, colour) for (group, colour), rings in of_groups for ring in rings]
    for i, (ring, group, colour) in enumerate(drawn):
        attributes = {"Type": "Polygon", "PartOfGroup": group, "Color": colour}
        annotation = ElementTree.SubElement(
            annotations, "Annotation", Name=f"Annotation {i}", **attributes
        )
        coordinates = ElementTree.SubElement(annotation, "Coordinates")
        for order, (x, y) in enumerate(_format(ring)):
            ElementTree.SubElement(coordinates, "Coordinate", Order=str(order), X=x, Y=y)
    groups = ElementTree.SubElement(root, "AnnotationGroups")
    for group, colour in ASAP_GROUPS:
        ElementTree.SubElement(groups, "Group", Name=group, PartOfGroup="None", Color=colour)
    _write_xml(path, root)


def _format(ring: np.ndarray) -> list[tuple[str, str]]:
    """Write x and y with two decimals, which are all that outlines have."""
    return [(f"{x:.2f}", f"{y:.2f}") for x, y in ring]


def _write_xml(path: str | Path, root: ElementTree.Element) -> None:
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree, "\t")
    tree.write(path, encoding="utf-8", xml_declaration=True)
