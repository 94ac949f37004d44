"""Files of a submission in the form that each challenge's organizers ask for.

PAIP 2019 and CAMELYON17 name their columns. The organizers of CAMELYON16 ask for columns in an
order, and their evaluation takes the first line of a table of lesions for a lesion, so neither of
its tables has a header. DigestPath was submitted as a program: its masks are ours to choose.
"""

import csv
import operator
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.io.tables import write_table
from microtome.rasters.bands import bands
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE
from microtome.rasters.resampling import resample, resample_rows
from microtome.staging.pn_stages import CLASSES, STAGES

TILE_PX = 512
# From so many px on a classic TIFF might be too small, if no tile could be compressed at all.
_BIG_TIFF_PX = 2**32 - 2**26
MAX_PNG_PX = 2**31


def write_mask_tiff(
    path: str | Path, tumour: Raster, *, size_px: tuple[int, int], spacing_um: float
) -> None:
    """Write viable tumour as PAIP 2019 asks: one page of the slide's size, 0 and 1, deflated.

    The mask is read from top to bottom, a row of tiles at a time, and tiles of one value are
    compressed once, so memory grows with the mask's width and nothing else.

    Parameters
    ----------
    path : str or Path
        The TIFF to write, a BigTIFF where a classic one might be too small.
    tumour : Raster
        uint8, labels of `microtome.rasters.labels` at any spacing; each px of the slide takes what
        lies under its centre.
    size_px : tuple of int
        Width and height of the slide's level 0.
    spacing_um : float
        µm per px of level 0.

    Raises
    ------
    InputError
        The labels do not cover the slide.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tumour = Raster(np.array([[1, 2]], np.uint8), 1.0)
    ...     write_mask_tiff(f"{folder}/a.tif", tumour, size_px=(4, 2), spacing_um=0.5)
    ...     tifffile.imread(f"{folder}/a.tif").tolist()
    [[0, 0, 1, 1], [0, 0, 1, 1]]
    """
    width, height = size_px
    ratio = _compute_ratio(path, tumour, size_px, spacing_um)
    with (
        atomic(path) as temporary,
        tifffile.TiffWriter(temporary, bigtiff=_is_big(size_px)) as tiff,
    ):
        tiff.write(
            _compress_tiles(tumour, size_px, ratio),
            shape=(height, width),
            dtype=np.uint8,
            tile=(TILE_PX, TILE_PX),
            compression="zlib",
            photometric="minisblack",
            metadata=None,
            software=False,
        )


def write_mask_png(
    path: str | Path, tumour: Raster, *, size_px: tuple[int, int], spacing_um: float
) -> None:
    """Write a mask of DigestPath: a PNG of the image's size, 8-bit grey, 0 and 255.

    Parameters
    ----------
    path : str or Path
        The PNG to write. It is made in memory, two bytes a px.
    tumour, size_px, spacing_um
        As of `write_mask_tiff`, as are errors; an image of 2^31 px or more raises InputError too.
    """
    width, height = size_px
    if width * height >= MAX_PNG_PX:
        raise InputError(f"{path}: {width} x {height} px are too many for a PNG; write a TIFF")
    ratio = _compute_ratio(path, tumour, size_px, spacing_um)

    def read_grey(first: int, n: int) -> np.ndarray:
        return (tumour.rows(first, n) == VIABLE) * np.uint8(255)

    pixels = resample_rows(read_grey, tumour.shape, (height, width), ratio=ratio)(0, height)
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def write_predictions(path: str | Path, burdens: Mapping[str, float]) -> None:
    """Write ``prediction.csv`` of PAIP 2019: ``wsi_id,ratio``, sorted.

    The tumour burden of each case, a fraction from 0 to 1 (else InputError is raised), is written
    in percent with four decimals.
    """
    rows = [
        {"wsi_id": case, "ratio": f"{100 * _require_fraction(b, f'case {case}: the burden'):.4f}"}
        for case, b in sorted(burdens.items())
    ]
    write_table(path, rows, columns=("wsi_id", "ratio"))


def write_probabilities(path: str | Path, probabilities: Mapping[str, float]) -> None:
    """Write the slides' table of CAMELYON16: ``name,probability`` without a header, sorted.

    Slides are named without suffix; InputError is raised if a probability is not from 0 to 1.
    """
    rows = [
        (slide, _nine_digits(_require_fraction(p, f"slide {slide}: the probability")))
        for slide, p in sorted(probabilities.items())
    ]
    _write_rows(path, rows)


def write_detections(path: str | Path, detections: Iterable[tuple[float, int, int]]) -> None:
    """Write one slide's lesions for CAMELYON16: ``confidence,x,y`` without a header.

    Parameters
    ----------
    path : str or Path
        The CSV to write, named as the slide. Without lesions it is empty.
    detections : iterable of tuple
        Confidence, x and y in level-0 px, in any order; the surest is written first. If a
        confidence is no fraction from 0 to 1, InputError is raised.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_detections(f"{folder}/test_001.csv", [(0.5, 7, 8), (0.75, 1, 2)])
    ...     print(Path(folder, "test_001.csv").read_text(), end="")
    0.75,1,2
    0.5,7,8
    """
    what = f"{path}: the confidence"
    found = sorted(
        (-_require_fraction(confidence, what), operator.index(x), operator.index(y))
        for confidence, x, y in detections
    )
    _write_rows(path, ((_nine_digits(abs(minus)), x, y) for minus, x, y in found))


def write_stages(path: str | Path, stages: Mapping[str, str], classes: Mapping[str, str]) -> None:
    """Write ``submission.csv`` of CAMELYON17: ``patient,stage``, each patient before its nodes.

    A patient's stage is written as ``<patient>.zip``, the class of a slide, which is named
    ``<patient>_node_<number>``, as ``<slide>.tif``. InputError is raised if the challenge does not
    know the stage or class, or a slide belongs to none of the patients.
    """
    nodes: dict[str, list[str]] = {patient: [] for patient in stages}
    for slide in sorted(classes):
        patient = slide.rpartition("_node_")[0]
        if patient not in nodes:
            raise InputError(
                f"slide {slide}: is the node of no patient here; CAMELYON17 names its slides"
                " <patient>_node_<number>"
            )
        if classes[slide] not in CLASSES:
            raise InputError(f"slide {slide}: {classes[slide]!r} is none of {', '.join(CLASSES)}")
        nodes[patient].append(slide)
    rows = []
    for patient in sorted(stages):
        if stages[patient] not in STAGES:
            raise InputError(
                f"patient {patient}: the stage {stages[patient]!r} is none of {', '.join(STAGES)};"
                " CAMELYON17 refuses a table that lacks one"
            )
        rows.append({"patient": f"{patient}.zip", "stage": stages[patient]})
        rows += [{"patient": f"{node}.tif", "stage": classes[node]} for node in nodes[patient]]
    write_table(path, rows, columns=("patient", "stage"))


def _write_rows(path: str | Path, rows: Iterable[tuple]) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _nine_digits(number: float) -> str:
    """Enough for every float32, so that no two scores of a network become equal."""
    return f"{number:.9g}"


def _require_fraction(value: float, what: str) -> float:
    if value is None or not 0 <= value <= 1:
        raise InputError(f"{what} {value} is no fraction from 0 to 1")
    return float(value)


def _is_big(size_px: tuple[int, int]) -> bool:
    width, height = (-(-side // TILE_PX) * TILE_PX for side in size_px)
    return width * height > _BIG_TIFF_PX


def _compute_ratio(
    path: str | Path, tumour: Raster, size_px: tuple[int, int], spacing_um: float
) -> float:
    """Px of the mask per px of level 0, if its size agrees: rasters are rounded by less than 1."""
    ratio = spacing_um / tumour.spacing_um
    height, width = tumour.shape
    for side, mask_side in zip(size_px, (width, height), strict=True):
        if abs(side * ratio - mask_side) > 1 + 1e-6 * mask_side:
            raise InputError(
                f"{path}: a mask of {width} x {height} px at {tumour.spacing_um:g}"
                f" µm/px is not of a slide of {size_px[0]} x {size_px[1]} px at {spacing_um:g}"
                " µm/px; make the mask again"
            )
    return ratio


def _compress_tiles(tumour: Raster, size_px: tuple[int, int], ratio: float) -> Iterator[bytes]:
    """Compress the mask tile by tile; beyond the edge of the slide its last px go on."""
    width, height = (-(-side // TILE_PX) * TILE_PX for side in size_px)
    # The rows and columns of the mask under those of the slide.
    row = resample(np.arange(tumour.shape[0])[:, None], (height, 1), ratio=ratio)[:, 0]
    column = resample(np.arange(tumour.shape[1])[None], (1, width), ratio=ratio)[0]
    of_one_value: dict[int, bytes] = {}
    for top, _ in bands(height, TILE_PX):
        first, last = int(row[top]), int(row[top + TILE_PX - 1])
        band = (tumour.rows(first, last - first + 1) == VIABLE).view(np.uint8)
        for left, _ in bands(width, TILE_PX):
            begin, end = int(column[left]), int(column[left + TILE_PX - 1])
            part = band[:, begin : end + 1]
            value = int(part[0, 0])
            if (part != value).any():
                y, x = row[top : top + TILE_PX] - first, column[left : left + TILE_PX] - begin
                yield zlib.compress(part[np.ix_(y, x)])
                continue
            if value not in of_one_value:
                tile = np.full((TILE_PX, TILE_PX), value, np.uint8)
                of_one_value[value] = zlib.compress(tile)
            yield of_one_value[value]
