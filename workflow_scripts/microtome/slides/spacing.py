"""What a file says of its spacing, in texts and tags of every dialect, judged by one rule.

Light to import: the estimate of `microtome.slides.header_probe` uses it in every job.
"""

import html
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from microtome.errors import one_line

# µm per px that slides have. Coarser are what programs write who know nothing of microscopes, from
# 1 px per mm (1000 µm) to 1200 px per inch (21 µm); finer is a wrong unit.
FINEST_UM, COARSEST_UM = 0.05, 20.0
# Two statements that differ by more than this contradict each other.
SAME_WITHIN = 0.02
_SQUARE_WITHIN, _SQUARE_WITHOUT_A_WORD = 0.05, 0.01
# µm per px times the magnification that Aperio's scanners have: 40x is 0.23 to 0.28.
_PX_UM_TIMES_MAGNIFICATION = 7.0, 14.0
_UNIT_OF_TAG = {2: "inch", 3: "cm"}
_UM_PER = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "μm": 1.0,  # the Greek letter, as Unicode's normal form has the micro sign
    "um": 1.0,
    "nm": 1e-3,
    "in": 25400.0,
    "meter": 1e6,
    "centimeter": 1e4,
    "millimeter": 1e3,
    "micrometer": 1.0,
    "micron": 1.0,
    "nanometer": 1e-3,
    "inch": 25400.0,
}
_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?", re.ASCII)
# None of these takes longer than a text is long, whatever a stranger wrote into it.
_APERIO_KEY = r"(?:^|[|;\r\n])[ \t]*+{}[ \t]*+=([^|;\r\n]*)"
_OME_PIXELS = re.compile(r"<(?:\w{1,20}:)?Pixels\b([^<>]*)>")
_ATTRIBUTE = re.compile(r"(?<![\w:])([\w:]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)')")
_LONGEST_UNIT = 40


@dataclass(frozen=True)
class Spacing:
    """What a file's statements come to.

    µm per px, if it is known; in which words the file says it; and what is doubtful: statements
    that are not taken, or contradict the one that is.
    """

    um: float | None = None
    words: str = ""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """One thing that a file says: its words, and µm per px in x and y or what is wrong with it."""

    words: str
    um: tuple[float, float] | None = None
    fault: str = ""


def read_spacing(
    description: str = "",
    *,
    resolution: tuple[float, float] | None = None,
    resolution_unit: int = 2,
    size_px: tuple[int, int] | None = None,
) -> Spacing:
    r"""Find the spacing of a TIFF by its description (Aperio, OME, ImageJ) and its tags.

    The first statement that can be is taken, the description's before the tags'.

    Parameters
    ----------
    description : str
        ImageDescription of the page.
    resolution : tuple of float, optional
        XResolution and YResolution of the page.
    resolution_unit : int
        ResolutionUnit as TIFF numbers it: 1 none, 2 inch, 3 centimetre.
    size_px : tuple of int, optional
        Width and height of the page, by which OME's image is found among several.

    Examples
    --------
    >>> read_spacing("Aperio Image Library v12\r\n640x512|AppMag = 40|MPP = 0,2520").um
    0.252
    >>> read_spacing(resolution=(72, 72)).doubts
    ("72 px per inch (352.8 µm per px) is a printer's or a screen's, no microscope's",)
    """
    statements = [
        *_by_aperio(description),
        *_by_ome(description, size_px),
        *_by_imagej(description, resolution),
        *_by_tags(resolution, resolution_unit),
    ]
    spacing = choose_spacing(statements)
    found = re.search(_APERIO_KEY.format("AppMag"), description)
    magnification, _ = _split_length(found[1]) if found else (None, "")
    low, high = _PX_UM_TIMES_MAGNIFICATION
    if not (spacing.um and magnification) or low <= spacing.um * magnification <= high:
        return spacing
    doubt = (
        f"{spacing.words} does not go with AppMag = {magnification:g}, which is about"
        f" {10 / magnification:.2g} µm per px"
    )
    return Spacing(spacing.um, spacing.words, (*spacing.doubts, doubt))


def choose_spacing(statements: Iterable[Statement]) -> Spacing:
    """Take the first statement that can be; what the others say against it is doubtful.

    Examples
    --------
    >>> choose_spacing([Statement("A", (0.5, 0.5)), Statement("B", (0.25, 0.25))])
    Spacing(um=0.5, words='A', doubts=('A, but B',))
    """
    um, words, doubts = None, "", []
    for statement in statements:
        fault = statement.fault or _find_fault(*statement.um)
        if fault:
            # After one that can be it is no news: 72 px per inch are in many files.
            doubts += [f"{statement.words} {fault}"] * (um is None)
            continue
        x_um, y_um = statement.um
        mean_um = (x_um + y_um) / 2
        if um is None:
            um, words = mean_um, statement.words
            if abs(y_um / x_um - 1) > _SQUARE_WITHOUT_A_WORD:
                doubts.append(f"{words} is not square; the mean is taken")
        elif abs(mean_um / um - 1) > SAME_WITHIN:
            doubts.append(f"{words}, but {statement.words}")
    return Spacing(um, words, tuple(doubts))


def _find_fault(x_um: float, y_um: float) -> str:
    """Say why µm per px in x and y cannot be a slide's; '' if they can."""
    if not (math.isfinite(x_um) and math.isfinite(y_um) and x_um > 0 and y_um > 0):
        return "is no spacing"
    if abs(y_um / x_um - 1) > _SQUARE_WITHIN:
        return "is not square"
    if max(x_um, y_um) >= COARSEST_UM:
        return "is a printer's or a screen's, no microscope's"
    return "is finer than any microscope's" if min(x_um, y_um) < FINEST_UM else ""


def _by_aperio(description: str) -> Iterator[Statement]:
    """``|MPP = 0.2520``, µm per px: Aperio's, and others' who write as it does."""
    found = re.search(_APERIO_KEY.format("MPP"), description)
    text = found[1].strip() if found else ""
    if text:
        yield _state(f"MPP = {_quote(text)}", text, text, default_unit="μm")


def _by_ome(description: str, size_px: tuple[int, int] | None) -> Iterator[Statement]:
    """PhysicalSizeX and Y of the image that has the page's size, else of the first."""
    images = [
        {name: html.unescape(a or b) for name, a, b in _ATTRIBUTE.findall(tag)}
        for tag in _OME_PIXELS.findall(description)
    ]
    sides = tuple(map(str, size_px or ()))
    of_size = [one for one in images if (one.get("SizeX"), one.get("SizeY")) == sides]
    for image in (of_size or images)[:1]:
        x, y = (_ome_length(image, axis) for axis in "XY")
        if x and y:
            words = f"PhysicalSizeX = {x}" + (f", PhysicalSizeY = {y}" if x != y else "")
            yield _state(_quote(words), x, y)
        elif x or y:
            yield Statement(f"PhysicalSize of one side, {_quote(x or y)},", fault="is not both")


def _ome_length(image: Mapping[str, str], axis: str) -> str:
    value = image.get(f"PhysicalSize{axis}", "").strip()
    return value and f"{value} {image.get(f'PhysicalSize{axis}Unit', 'µm')}"


def _by_imagej(description: str, resolution: tuple[float, float] | None) -> Iterator[Statement]:
    """``unit=micron`` says in which unit the resolution tags are, whatever their own says."""
    if not description.startswith("ImageJ=") or resolution is None:
        return
    said = dict(re.findall(r"^(unit|yunit)=(.*)", description, re.MULTILINE))
    unit = said.get("unit", "").strip()
    if unit:
        yield _per_unit(resolution, (unit, said.get("yunit", unit)), words="ImageJ's ")


def _by_tags(resolution: tuple[float, float] | None, unit: int) -> Iterator[Statement]:
    """XResolution and YResolution, px per inch or centimetre; 1 px per no unit says nothing."""
    if resolution is None or (unit not in _UNIT_OF_TAG and resolution == (1, 1)):
        return
    name = _UNIT_OF_TAG.get(unit)
    if name:
        yield _per_unit(resolution, (name, name))
    else:
        words = f"{_pair(resolution)} px per unit (ResolutionUnit {unit})"
        yield Statement(words, fault="has no unit")


def _per_unit(
    resolution: tuple[float, float], units: tuple[str, str], *, words: str = ""
) -> Statement:
    """Turn px per unit into a statement."""
    words += f"{_pair(resolution)} px per {_quote(units[0])}"
    lengths = [length_um(unit) for unit in units]
    if None in lengths:
        return Statement(words, fault="has no unit of length that is known")
    if not all(math.isfinite(n) and n > 0 for n in resolution):
        return Statement(words, fault="is no spacing")
    x_um, y_um = (um / n for um, n in zip(lengths, resolution, strict=True))
    return Statement(f"{words} ({_pair((x_um, y_um))} µm per px)", (x_um, y_um))


def _state(words: str, x: str, y: str, *, default_unit: str = "") -> Statement:
    """Turn two lengths, number and unit, into a statement."""
    sides = [_split_length(text) for text in (x, y)]
    if any(value is None for value, _ in sides):
        return Statement(words, fault="is no number")
    lengths = [length_um(unit or default_unit) for _, unit in sides]
    if None in lengths:
        return Statement(words, fault="has no unit of length that is known")
    return Statement(words, tuple(n * um for (n, _), um in zip(sides, lengths, strict=True)))


def _split_length(text: str) -> tuple[float | None, str]:
    """Split a number, with a point or a comma, from the unit behind it."""
    text = text.strip()
    found = _NUMBER.match(text)
    if not found:
        return None, text
    return float(found[0].replace(",", ".")), text[found.end() :].strip()


def length_um(unit: str) -> float | None:
    r"""µm in a unit of length, as programs write it; None if it is not known.

    Examples
    --------
    >>> [length_um(unit) for unit in ("µm", "μm", "um", "Âµm", r"\u00B5m", "&#181;m", "microns")]
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    >>> length_um("Mm"), length_um("pixel")
    (None, None)
    """
    if len(unit) > _LONGEST_UNIT:
        return None
    unit = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), html.unescape(unit))
    for codec in ("cp1252", "latin-1"):  # UTF-8 that was taken for another code, once or twice
        with suppress(UnicodeError):
            unit = unit.encode(codec).decode()
    unit = unicodedata.normalize("NFKC", unit).strip()
    unit = re.sub(r"\s*(?:/|per)\s*(?:px|pixel)$", "", unit)
    if len(unit) > 2:  # of short ones the case counts: Mm is no millimetre
        unit = unit.lower().removesuffix("s").replace("metre", "meter")
        unit = {"inche": "inch"}.get(unit, unit)
    return _UM_PER.get(unit)


def _pair(values: tuple[float, float]) -> str:
    x, y = (f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}" for value in values)
    return x if x == y else f"{x} x {y}"


def _quote(text: str) -> str:
    return one_line(text)[:60]
