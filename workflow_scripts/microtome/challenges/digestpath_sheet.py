"""The slide sheet of DigestPath 2019's tissue images as downloaded, and their masks as TIFF.

Of two folders, `tissue-train-pos-v1` holds images with a lesion (`x.jpg`) and their masks
(`x_mask.jpg`), `tissue-train-neg` images without. Names are those of scans, as
`18-09926B_2019-05-08 00_06_22-lv1-23252-17633-5969-5543.jpg`: a number of the case, when it was
scanned, and where in the scan the image lies.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from microtome.challenges.mask_overlap import read_mask_image
from microtome.cohort.sheet_cells import format_path
from microtome.errors import InputError
from microtome.io.downloaded_folders import enter_file, list_files, name_packed
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE
from microtome.submission.files import write_mask_tiff

COLUMNS = ("slide", "path", "patient", "viable_mask", "label", "spacing_um")

_FOLDER = re.compile(r"tissue[-_ ]train[-_ ](pos|neg)", re.IGNORECASE)
_MASK = "_mask"
_JPEGS = (".jpg", ".jpeg")
# A date, and a time whose colons are other signs on many disks.
_SCANNED = re.compile(r"[ _-]?20\d\d-\d\d-\d\d[ _-]\d\d[:_.-]\d\d[:_.-]\d\d[ _-]?")
# Case numbers that begin with a year: what follows the number tells the block and the section.
_YEAR_AND_NUMBER = re.compile(r"20\d\d[-_ ]\d+")
_NO_ID = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_ID = 100


def make_digestpath_sheet(
    folder: str | Path, masks: str | Path, *, spacing_um: float
) -> tuple[list[dict[str, str]], list[str]]:
    """Make the rows of a slide sheet, and write the masks of the images with a lesion as TIFFs.

    Parameters
    ----------
    folder : str or Path
        Holds both folders, unpacked, at any depth. Those of signet ring cells are passed over.
    masks : str or Path
        Folder to write the masks to: 0 and 1, from JPEGs of which 128 and more is lesion.
    spacing_um : float
        µm per px, which a JPEG does not say.

    Returns
    -------
    rows : list of dict
        Cells under `COLUMNS`, in the order of the images' names; paths relative to the working
        directory where they are below it, else absolute. An image's patient is the case that its
        name tells; one that tells none is a patient of its own.
    notes : list of str
        What is odd, one line each. An image whose mask is at fault has neither mask nor label.

    Raises
    ------
    InputError
        There is no image, or two would have one name.
    """
    folder, masks = Path(folder), Path(masks)
    files = list_files(folder)
    images, given_masks = _sort(files, folder)
    if not images:
        raise InputError(
            f"{folder}: there is no image of DigestPath's tissue (as tissue-train-pos-v1/x.jpg) in"
            " it; unpack what was downloaded there"
        )
    rows, notes, n_alone = [], [], 0
    for slide, (path, has_lesion) in images.items():
        patient = find_case(path.stem)
        n_alone += not patient
        row = dict.fromkeys(COLUMNS, "") | {
            "slide": slide,
            "path": format_path(path),
            "patient": patient or slide,
            "spacing_um": f"{spacing_um:g}",
        }
        try:
            if has_lesion:
                mask = _convert(slide, path, given_masks.get(slide), masks, spacing_um)
                row["viable_mask"] = format_path(mask)
            else:
                _require_none(slide, given_masks.get(slide))
                row["label"] = "negative"
        except InputError as error:
            notes.append(f"{error}; the sheet gives it no truth")
        rows.append(row)
    if n_alone:
        notes.append(
            f"{n_alone} of {len(rows)} images have names that tell no case: each is a patient of"
            " its own, so one patient's images may be on two sides of a split"
        )
    notes += [
        f"{path}: left out, for its image is not here"
        for slide, path in given_masks.items()
        if slide not in images
    ]
    unpacked = {has_lesion for _, has_lesion in images.values()}

    def is_unpacked(path: Path) -> bool:
        kind = _FOLDER.search(path.name)
        return kind is None or (kind[1].lower() == "pos") in unpacked

    return rows, notes + name_packed(files, is_unpacked)


def find_case(name: str) -> str:
    """Find the number of the case in an image's name, as an id; '' if it tells none.

    It stands before the date of the scan, or behind it where nothing is before. Of numbers such as
    2018_64982_1-1 the year and the first number are the case.

    Examples
    --------
    >>> find_case("18-09926B_2019-05-08 00_06_22-lv1-23252-17633-5969-5543")
    '18-09926B'
    >>> find_case("2018_64982_1-1_2019-02-25 22_04_59-lv1-16129-9327-5436-4211")
    '2018_64982'
    >>> find_case("2019-06-11 10_58_41-D201907315-lv1-2-3-4-5"), find_case("12")
    ('D201907315', '')
    """
    scanned = _SCANNED.search(name)
    if not scanned:
        return ""
    before, behind = name[: scanned.start()], name[scanned.end() :]
    case = before or re.split(r"[ _-]?lv\d", behind)[0]
    numbered = _YEAR_AND_NUMBER.match(case)
    return _as_id(numbered[0] if numbered else case)


def _as_id(text: str) -> str:
    """Make an id of letters, digits, dots, hyphens and underscores of any text."""
    return _NO_ID.sub("_", text).strip("._-")[:_MAX_ID]


def _sort(
    files: Iterable[Path], folder: Path
) -> tuple[dict[str, tuple[Path, bool]], dict[str, Path]]:
    """Sort JPEGs by the id of their image: images, whether each has a lesion, and masks."""
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    lesions: dict[str, bool] = {}
    for path in files:
        kinds = _FOLDER.findall(str(path.parent.relative_to(folder.parent)))
        if path.suffix.lower() not in _JPEGS or not kinds:
            continue
        is_mask = path.stem.lower().endswith(_MASK)
        slide = _as_id(path.stem[: -len(_MASK)] if is_mask else path.stem)
        into, what = (masks, "mask") if is_mask else (images, "image")
        enter_file(into, slide, path, what=f"the {what} of {slide}")
        if not is_mask:
            lesions[slide] = kinds[-1].lower() == "pos"
    return {s: (path, lesions[s]) for s, path in sorted(images.items())}, dict(
        sorted(masks.items())
    )


def _convert(slide: str, image: Path, given: Path | None, folder: Path, spacing_um: float) -> Path:
    """Write the mask of an image with a lesion as a TIFF; InputError if it is none of it."""
    if given is None:
        raise InputError(f"{slide}: is an image with a lesion, and has no mask {slide}{_MASK}.jpg")
    mask, size_px = read_mask_image(given), _read_size(image)
    if mask.shape[::-1] != size_px:
        raise InputError(
            f"{given}: is {mask.shape[1]} x {mask.shape[0]} px, its image {size_px[0]} x"
            f" {size_px[1]}"
        )
    if not mask.any():
        raise InputError(f"{given}: is empty, and {slide} is among the images with a lesion")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{slide}{_MASK}.tif"
    labels = Raster(np.where(mask, np.uint8(VIABLE), np.uint8(0)), spacing_um)
    write_mask_tiff(path, labels, size_px=size_px, spacing_um=spacing_um)
    return path


def _require_none(slide: str, given: Path | None) -> None:
    if given and read_mask_image(given).any():
        raise InputError(f"{given}: has a lesion, and {slide} is among the images without")


def _read_size(image: Path) -> tuple[int, int]:
    """Read width and height of an image from its header."""
    try:
        with Image.open(image, formats=("JPEG",)) as opened:
            return opened.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise InputError(f"{image}: is no JPEG or is damaged; download it again") from error
