"""Slides that are more than one file, or none that is read: what is opened, or what to do."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import openslide

from microtome.errors import InputError
from microtome.io.slide_files import list_files
from microtome.slides.header_probe import is_cut_off

_MOST_DICOM_FILES = 200
_TEXT_BYTES = 65536
_CONVERT = "convert it to an OME-TIFF or a tiled TIFF (QuPath, bfconvert)"
_UNPACK = "unpack it, and name the slide in it"
# What a file is that begins so, small letters for capitals.
_NO_SLIDES = (
    (b"sis\0", f"holds the pixels of an Olympus slide, which is not read; {_CONVERT}"),
    (b"\xd0\xcf\x11\xe0", f"is an OLE file (Zeiss ZVI and others), which is not read; {_CONVERT}"),
    (b"<dataobject", f"is a Philips iSyntax slide, which is not read; {_CONVERT}"),
    (b"\x89hdf", f"is an HDF5 file, which is not read; {_CONVERT}"),
    (b"\0\0\0\x0cjp  ", f"is a JPEG 2000 image, which is not read; {_CONVERT}"),
    (b"[nanozoomer", "lists NDPI files of one channel each, as fluorescence has; H&E is one NDPI"),
    (b"pk\x03\x04", f"is a ZIP archive; {_UNPACK}"),
    (b"\x1f\x8b", f"is compressed (gzip); {_UNPACK}"),
    (b"7z\xbc\xaf", f"is a 7z archive; {_UNPACK}"),
    (b"rar!", f"is a RAR archive; {_UNPACK}"),
    (b"%pdf", "is a PDF document, not a slide"),
    (b"<!doctype html", "is a web page, not a slide; download it again"),
    (b"<html", "is a web page, not a slide; download it again"),
    (b"version https://git-lfs", "is Git LFS's pointer to a file; fetch the file (git lfs pull)"),
    (bytes(512), "begins with zeros, so it was not copied; copy it again"),
)
_TAR, _TAR_AT = b"ustar", slice(257, 262)
_PICTURES = (b"\xff\xd8\xff", b"\x89png", b"bm", b"ii*\0", b"ii+\0", b"mm\0*", b"mm\0+")
# Names of slides; a picture of such a name that OpenSlide does not know is a preview or a part.
_SLIDES = frozenset(
    [
        ".bif",
        ".czi",
        ".dcm",
        ".ets",
        ".isyntax",
        ".lif",
        ".lsm",
        ".mrxs",
        ".ndpi",
        ".ndpis",
        ".qptiff",
        ".scn",
        ".svs",
        ".svslide",
        ".vms",
        ".vmu",
        ".vsi",
        ".zvi",
    ]
)


def find_opened(path: Path, *, name: str) -> Path:
    """Find the file that is opened of a slide: itself, or one of the DICOM series in a folder.

    Raises InputError if a folder holds no DICOM slide, or several.
    """
    if not path.is_dir():
        return path
    about = f"slide {name}: {path}"
    files = list_files(path)
    dicom = [file for file in files if _read_head(file)[128:132] == b"DICM"]
    if len(dicom) > _MOST_DICOM_FILES:
        raise InputError(f"{about} holds {len(dicom)} DICOM files; name one file of the slide")
    series = _find_series(dicom)
    if len(series) == 1:
        return next(iter(series.values()))
    if series:
        named = ", ".join(f"{file.relative_to(path)} ({uid})" for uid, file in series.items())
        raise InputError(f"{about} holds several slides; name a file of one: {named}")
    if dicom:
        raise InputError(
            f"{about} holds DICOM files, none of a slide OpenSlide reads; name one to be told why"
        )
    if any(file.name in (".zarray", ".zattrs", ".zgroup", "zarr.json") for file in files):
        raise InputError(f"{about} is a Zarr folder, which is not read; {_CONVERT}")
    if (path / "Slidedat.ini").exists():
        raise InputError(f"{about} belongs to a MIRAX slide; name {path.name}.mrxs beside it")
    slides = [str(file.relative_to(path)) for file in files if file.suffix.lower() in _SLIDES]
    named = f", as {slides[0]}" if slides else ""
    raise InputError(f"{about} is a folder without DICOM files; name a file{named}")


def _read_head(path: Path, n_bytes: int = 512) -> bytes:
    """The first bytes of a file; none of one that cannot be read, as opening it will tell."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(n_bytes)
    return b""


def _find_series(files: Iterable[Path]) -> dict[str, Path]:
    """Find the series that are slides, by their UID a file of each.

    OpenSlide opens the levels of the series that a file is of; it gives no slide for a label or an
    overview that is alone.
    """
    found: dict[str, Path] = {}
    for path in files:
        try:
            with openslide.OpenSlide(path) as slide:
                found.setdefault(slide.properties["dicom.SeriesInstanceUID"], path)
        except openslide.OpenSlideError:
            continue
    return found


def require_slide(path: Path, *, name: str, vendor: str | None) -> None:
    """Raise InputError if a file is no slide that is read here, or a part or preview of one.

    `vendor` is what OpenSlide takes it for. What it knows by more than a TIFF's tiles is not
    doubted.
    """
    if vendor in (None, "generic-tiff"):
        head = _read_head(path).lower()
        fault = None if path.stat().st_size else "is empty; copy it again"
        if vendor is None and is_cut_off(path):
            fault = "is a TIFF that ends before its last page, so it is cut off; copy it again"
        fault = fault or _name_content(head) or _name_whole(path, head, is_known=vendor is not None)
        if fault:
            raise InputError(f"slide {name}: {path} {fault}")


def _name_content(head: bytes) -> str | None:
    """Say what a file is that begins so; None if it may be a slide."""
    if head[_TAR_AT] == _TAR:
        return f"is a TAR archive; {_UNPACK}"
    return next((what for beginning, what in _NO_SLIDES if head.startswith(beginning)), None)


def _name_whole(path: Path, head: bytes, *, is_known: bool) -> str | None:
    """Say of which slide a file is but a part or a preview; None if of none."""
    suffix = path.suffix.lower()
    if suffix == ".vsi":
        return (
            f"holds the overview of an Olympus slide, whose pixels in _{path.stem}_ are not read;"
            f" {_CONVERT}"
        )
    if suffix == ".mrxs" and not is_known:
        return (
            "holds the preview of a MIRAX slide, whose pixels are in the folder"
            f" {path.stem} with Slidedat.ini; copy it beside the file, whose name ends in .mrxs"
        )
    if is_known or not head.startswith(_PICTURES):
        return None
    for whole in path.parent.glob("*.vm[su]"):
        if path.name.encode() in _read_head(whole, _TEXT_BYTES):
            return f"is a part of {whole.name}; name that"
    if suffix not in _SLIDES:
        return None
    return (
        f"is named {suffix}, but holds a plain picture: the preview or a part of a slide; give all"
        " its files, or name it .tif, .jpg or .png if it is the slide"
    )
