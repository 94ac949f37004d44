"""Annotation files as ImageScope, HALO and ASAP write them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawn:
    """A region that a person drew: its points as the program stores them."""

    points: list
    kind: str = "polygon"
    cut: bool = False
    text: str = ""


IMAGESCOPE_TYPES = {
    "polygon": 0,
    "rectangle": 1,
    "ellipse": 2,
    "arrow": 3,
    "ruler": 4,
    "counter": 5,
}


def imagescope(*layers: tuple[str, list[Drawn]], ids: tuple = (), fields: str = "") -> str:
    """Write a file as ImageScope 12 does; layers have the numbers 1, 2 and so on."""
    text = '<Annotations MicronsPerPixel="0.252100">'
    for i, (name, regions) in enumerate(layers):
        number = ids[i] if ids else i + 1
        text += (
            f'<Annotation Id="{number}" Name="{name}" ReadOnly="0" NameReadOnly="0" '
            'LineColorReadOnly="0" Incremental="0" Type="4" LineColor="65280" Visible="1" '
            'Selected="1" MarkupImagePath="" MacroName=""><Attributes>'
            f'<Attribute Name="Description" Id="0" Value=""/>{fields}</Attributes><Regions>'
            '<RegionAttributeHeaders><AttributeHeader Id="1" Name="Description" '
            'ColumnWidth="-1"/></RegionAttributeHeaders>'
        )
        for r, region in enumerate(regions, start=1):
            kind = IMAGESCOPE_TYPES.get(region.kind, region.kind)
            text += (
                f'<Region Id="{r}" Type="{kind}" Zoom="0.042" Selected="0" ImageLocation="" '
                f'ImageFocus="0" Length="74.8" Area="213.2" Text="{region.text}" '
                f'NegativeROA="{region.cut:d}" InputRegionId="0" Analyze="1" DisplayId="{r}">'
                f"<Attributes/><Vertices>{points('Vertex', region.points)}</Vertices></Region>"
            )
        text += "</Regions><Plots/></Annotation>"
    return text + "</Annotations>"


def halo(*layers: tuple[str, list[Drawn]]) -> str:
    """Write a file as HALO does: polygons end where they begin."""
    text = "<Annotations>"
    for name, regions in layers:
        text += f'<Annotation Name="{name}" Visible="True" LineColor="5634047"><Regions>'
        for region in regions:
            ends = region.points[:1] if region.kind == "polygon" else []
            text += (
                f'<Region Type="{region.kind.title()}" HasEndcaps="0" NegativeROA="{region.cut:d}">'
                f"<Vertices>{points('V', [*region.points, *ends])}</Vertices><Comments/></Region>"
            )
        text += "</Regions></Annotation>"
    return text + "</Annotations>"


def asap(*layers: tuple[str, list[Drawn]]) -> str:
    """Write a file as ASAP does: layers are groups, what is cut out is of group Exclusion."""
    text = "<ASAP_Annotations><Annotations>"
    for name, regions in layers:
        for region in regions:
            group = "Exclusion" if region.cut else name
            text += (
                f'<Annotation Name="Annotation 0" Type="{region.kind.title()}" '
                f'PartOfGroup="{group}" Color="#F4FA58"><Coordinates>'
                f"{points('Coordinate', region.points)}</Coordinates></Annotation>"
            )
    return text + "</Annotations><AnnotationGroups/></ASAP_Annotations>"


def points(tag: str, listed: list) -> str:
    """Write points; ASAP numbers them."""
    return "".join(f'<{tag} Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(listed))


def box(low: float, high: float, **more) -> Drawn:
    """Draw a square on the diagonal as a polygon."""
    return Drawn([(low, low), (high, low), (high, high), (low, high)], **more)


def cut(low: float, high: float, **more) -> Drawn:
    """Cut a square out."""
    return box(low, high, cut=True, **more)


def two_corners(kind: str, **more) -> Drawn:
    """Draw a rectangle or ellipse of 40 x 20 px by opposite corners of its box."""
    return Drawn([(50, 10), (10, 30)], kind, **more)
