"""Files of the demo cohort, in the forms that scanners and challenges give them.

Nothing in them tells when or where they were written: the same slide gives the same bytes.
"""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile

from microtome.demo.outlines import Outlines
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
    """Write a slide as an Aperio scanner does.

    Level 0, thumbnail, then the coarser levels, each a page of its own; JPEG in YCbCr with
    half the resolution in colour.

    Parameters
    ----------
    path : str or Path
        The SVS to write.
    pixels : ndarray of shape (height, width, 3)
        uint8 RGB.
    spacing_um : float
        µm per px.
    quality : int
        Of the JPEG, 1 to 100.
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
    thumbnail = _thumbnail(levels[-1])
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
    """Write a mask as PAIP 2019 does: one level of the slide's size, 0 and 1, deflated.

    Parameters
    ----------
    path : str or Path
        The TIFF to write.
    mask : ndarray of shape (height, width)
        bool.
    """
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


def write_paip_xml(path: str | Path, outlines: Outlines, *, spacing_um: float = 0.5) -> None:
    """Write outlines as ImageScope does in PAIP 2019: layer 1 whole, layer 2 viable with holes.

    Parameters
    ----------
    path : str or Path
        The XML to write.
    outlines : Outlines
        What to write; a slide without tumour gets two empty layers.
    spacing_um : float
        µm per px.
    """
    root = ElementTree.Element("Annotations", MicronsPerPixel=f"{spacing_um:g}")
    layers = ((outlines.whole, ()), (outlines.viable, outlines.holes))
    for (number, colour), (outer, holes) in zip(PAIP_LAYERS, layers, strict=True):
        layer = ElementTree.SubElement(
            root,
            "Annotation",
            Id=number,
            Name="",
            ReadOnly="0",
            Type="4",
            Visible="1",
            LineColor=colour,
        )
        regions = ElementTree.SubElement(layer, "Regions")
        rings = [(ring, "0") for ring in outer] + [(ring, "1") for ring in holes]
        for i, (ring, negative) in enumerate(rings, start=1):
            region = ElementTree.SubElement(
                regions, "Region", Id=str(i), Type="0", NegativeROA=negative
            )
            vertices = ElementTree.SubElement(region, "Vertices")
            for x, y in ring:
                ElementTree.SubElement(vertices, "Vertex", X=_number(x), Y=_number(y), Z="0")
    _write_xml(path, root)


def write_asap_xml(path: str | Path, outlines: Outlines) -> None:
    """Write viable tumour as ASAP does in CAMELYON17: group `metastases`, holes in `normal`.

    Parameters
    ----------
    path : str or Path
        The XML to write.
    outlines : Outlines
        What to write; the whole tumour bed has no place in this format.
    """
    root = ElementTree.Element("ASAP_Annotations")
    annotations = ElementTree.SubElement(root, "Annotations")
    i = 0
    for (group, colour), rings in zip(ASAP_GROUPS, (outlines.viable, outlines.holes), strict=True):
        for ring in rings:
            annotation = ElementTree.SubElement(
                annotations,
                "Annotation",
                Name=f"Annotation {i}",
                Type="Polygon",
                PartOfGroup=group,
                Color=colour,
            )
            _coordinates(annotation, ring)
            i += 1
    groups = ElementTree.SubElement(root, "AnnotationGroups")
    for group, colour in ASAP_GROUPS:
        ElementTree.SubElement(groups, "Group", Name=group, PartOfGroup="None", Color=colour)
    _write_xml(path, root)


def _coordinates(annotation: ElementTree.Element, ring: np.ndarray) -> None:
    coordinates = ElementTree.SubElement(annotation, "Coordinates")
    for order, (x, y) in enumerate(ring):
        ElementTree.SubElement(
            coordinates, "Coordinate", Order=str(order), X=_number(x), Y=_number(y)
        )


def _number(coordinate: float) -> str:
    """Two decimals are all that outlines have."""
    return f"{coordinate:.2f}"


def _write_xml(path: str | Path, root: ElementTree.Element) -> None:
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree, "\t")
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    """The coarsest level, brought to the usual height by leaving out rows and columns."""
    every = max(1, -(-max(pixels.shape) // THUMBNAIL_PX))
    return np.ascontiguousarray(pixels[::every, ::every])
