"""Images of the trial on nuclei: their spacing, folds and looks, and windows to learn from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter
from skimage.filters import threshold_otsu

from microtome.errors import InputError
from microtome.nucleus_images.conversion import convert
from microtome.nucleus_images.dsb2018 import find_dsb2018
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.pixels import read_image, resample_pixels
from microtome.nucleus_scores.curve import Image

SPACING_UM = 0.5
N_FOLDS = 5
WINDOW_PX = 100
# The paper: nuclei are about 20 px wide at 0.5 µm per px (section 5.2).
_NUCLEUS_UM = 10.0
# What is dark is looked for in the absorbance of red, which haematoxylin takes away.
_SMOOTHING_PX = 1.0
# The lightest quarter of an image shows its ground: white, or the violet of the stain.
_LIGHT_QUANTILE, _WHITE_SATURATION = 0.75, 0.1
WHITE, TINTED = "white ground", "tinted ground"


@dataclass(frozen=True)
class TrialImage:
    """An image with its truth, at a spacing that was estimated.

    Attributes
    ----------
    name : str
        The image's id.
    pixels : ndarray of shape (height, width, 3), uint8
        RGB at 0.5 µm per px.
    points : ndarray of shape (n, 2), float64
        Centroids of its nuclei, x and y in µm.
    """

    name: str
    pixels: np.ndarray
    points: np.ndarray

    def with_found(self, found: np.ndarray, confidence: np.ndarray) -> Image:
        """Set detections, x and y in µm, (n, 2), against the truth."""
        return Image(found, confidence, self.points)


def load_sheet_images(folder: Path, results: Path, *, seed: int) -> list[LabelledImage]:
    """Convert a folder of the Data Science Bowl's form; its images have folds, and no true spacing.

    `estimate_spacing` gives each one.

    Raises InputError as `microtome.nucleus_images.conversion.convert` does.
    """
    files = results / f"files-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"
    sources, faults = find_dsb2018(folder, spacing_um=SPACING_UM)
    if not files.exists():
        convert(sources, faults, files, folder=folder, n_folds=N_FOLDS, seed=seed)
    images = [
        LabelledImage(s.name, s.path, SPACING_UM, labels=files / f"{s.name}_labels.png")
        for s in sources
    ]
    pixels = {image.name: image.read_pixels() for image in images}
    looks = {name: find_look(each) for name, each in pixels.items()}
    folds = deal_folds_of_looks(looks, n_folds=N_FOLDS, seed=seed)
    return [
        replace(
            image,
            spacing_um=estimate_spacing(pixels[image.name]),
            fold=folds[image.name],
            patient=looks[image.name],
        )
        for image in images
    ]


def deal_folds_of_looks(looks: dict[str, str], *, n_folds: int, seed: int) -> dict[str, int]:
    """Deal images, name -> look, out to folds of one size in which looks are mixed alike.

    Examples
    --------
    >>> folds = deal_folds_of_looks({"a": "x", "b": "x", "c": "y", "d": "y"}, n_folds=2, seed=0)
    >>> {folds["a"], folds["b"]} == {folds["c"], folds["d"]} == {1, 2}
    True
    """
    generator = np.random.default_rng(seed)
    names = [str(name) for name in generator.permutation(sorted(looks))]
    names.sort(key=looks.__getitem__)
    return {name: i % n_folds + 1 for i, name in enumerate(names)}


def find_look(pixels: np.ndarray) -> str:
    """Tell the ground of an image by the saturation of its lightest quarter: white, or tinted."""
    flat = pixels.reshape(-1, 3).astype(np.float64)
    light = flat.mean(axis=1)
    ground = np.median(flat[light >= np.quantile(light, _LIGHT_QUANTILE)], axis=0)
    return WHITE if 1 - ground.min() / ground.max() < _WHITE_SATURATION else TINTED


def estimate_spacing(pixels: np.ndarray) -> float:
    """Estimate µm per px of an image that nothing is known of: what is dark is 10 µm wide.

    Dark is what Otsu's threshold takes of the absorbance of red. Its width is the mean length of
    its chords, along rows and columns, each weighted by its length.

    Examples
    --------
    >>> pixels = np.full((60, 60, 3), 250, np.uint8)
    >>> pixels[20:40, 20:40] = (90, 40, 130)
    >>> round(estimate_spacing(pixels), 2)
    0.47
    """
    absorbance = -np.log((pixels[..., 0] + 1.0) / 256)
    smooth = gaussian_filter(absorbance, _SMOOTHING_PX)
    dark = binary_fill_holes(smooth > threshold_otsu(smooth))
    chords = np.concatenate([_measure_chords(dark), _measure_chords(dark.T)])
    return float(_NUCLEUS_UM * chords.sum() / np.square(chords).sum())


def _measure_chords(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of a mask along its rows."""
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    return np.nonzero(steps == -1)[1] - np.nonzero(steps == 1)[1]


def load_images(images: Sequence[LabelledImage]) -> list[TrialImage]:
    """Read images at 0.5 µm per px."""
    return [TrialImage(i.name, i.read_pixels(SPACING_UM), i.read_points()) for i in images]


def hold_windows(image: TrialImage) -> bool:
    """Whether an image is large enough to learn from."""
    return min(image.pixels.shape[:2]) >= WINDOW_PX


def load_unlabelled(folder: Path) -> list[TrialImage]:
    """Read the images of a folder, which are at 0.5 µm per px; nothing is known of their nuclei."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".tif"))
    if not paths:
        raise InputError(f"{folder}: has no images (.png, .tif)")
    nothing = np.empty((0, 2))
    return [
        TrialImage(p.stem, resample_pixels(read_image(p, about=str(p)), 1), nothing) for p in paths
    ]


class DrawnWindows:
    """Windows of one image as a source of patches to pretrain on; nothing is known of them.

    Parameters
    ----------
    image : TrialImage
        The image, no smaller than a window.
    corners : sequence of (x, y)
        Their upper left corners in px.
    """

    shape = (1, WINDOW_PX, WINDOW_PX, 3)

    def __init__(self, image: TrialImage, corners: Sequence[tuple[int, int]]) -> None:
        self._pixels, self._points_um, self._corners = image.pixels, image.points, list(corners)
        self.slide = image.name
        self.label = np.full(len(self._corners), -1, np.int8)

    def read(self, row: int, out: np.ndarray) -> None:
        """Read a window into `out`, (1, side, side, 3), uint8."""
        x, y = self._corners[row]
        out[0] = self._pixels[y : y + WINDOW_PX, x : x + WINDOW_PX]

    def count(self) -> list[int]:
        """How many nuclei have their points in each window."""
        points_px = self._points_um / SPACING_UM
        places = (points_px - corner for corner in self._corners)
        return [int(((p >= 0) & (p < WINDOW_PX)).all(axis=1).sum()) for p in places]

    def identity(self) -> str:
        """Which windows these are."""
        found = hashlib.sha256(repr(self._corners).encode())
        found.update(self._pixels.tobytes())
        return found.hexdigest()[:16]


def draw_windows(images: Sequence[TrialImage], n: int, *, seed: int) -> list[DrawnWindows]:
    """Draw `n` windows, each anywhere in an image, which is any of them."""
    generator = np.random.default_rng(seed)
    which = generator.integers(len(images), size=n)
    drawn = []
    for number in np.unique(which):
        height, width = images[number].pixels.shape[:2]
        free = (width - WINDOW_PX + 1, height - WINDOW_PX + 1)
        corners = generator.integers(free, size=(int((which == number).sum()), 2))
        drawn.append(DrawnWindows(images[number], [tuple(c) for c in corners.tolist()]))
    return drawn
