"""The images of the trial: small H&E fields with one label each, and which of them are the same.

Rahman et al., Mendeley Data ftmp4cvtmb: 100x fields of normal oral epithelium and of squamous cell
carcinoma. No patient is known. Neighbouring fields overlap, so images are grouped by what they show
before they are dealt out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import fft
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from microtome.errors import InputError
from microtome.training.batches import turn

CLASSES = ("Normal", "OSCC")
_GREY_PX = 32
_LEAST_OVERLAP = 0.4  # of an image's area
_SAME_FIELD = 0.9  # correlation of what two images have in common, shifted or not
_SAME_IMAGE = 0.97  # correlation of two whole images


@dataclass(frozen=True)
class Images:
    """Images with one label each; a source of patches (`microtome.training.batches.Source`).

    Attributes
    ----------
    names : list of str
        File names.
    pixels : ndarray of shape (n, side, side, 3), uint8
        RGB.
    label : ndarray of shape (n,), int8
        1 carcinoma, 0 normal.
    group : ndarray of shape (n,), int
        Images of one number overlap, directly or through others.
    slide : str
        What a source is called.
    """

    names: list[str]
    pixels: np.ndarray
    label: np.ndarray
    group: np.ndarray
    slide: str = "oral"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of one patch."""
        return (1, *self.pixels.shape[1:])

    def read(self, row: int, out: np.ndarray) -> None:
        """Copy one image to where it is wanted."""
        out[0] = self.pixels[row]

    def identity(self) -> str:
        """Which images these are."""
        return " ".join([str(self.shape), *self.names])

    def subset(self, rows: np.ndarray) -> "Images":
        """Some of the images."""
        return Images(
            [self.names[row] for row in rows],
            self.pixels[rows],
            self.label[rows],
            self.group[rows],
        )


def load_images(folder: Path, *, side_px: int) -> tuple[Images, list[str]]:
    """Read all images, shrunk to `side_px`, and leave out those whose label contradicts itself.

    Returns
    -------
    Images
        What can be learnt from.
    list of str
        The images that are left out: the same picture is there as normal and as carcinoma.

    Raises
    ------
    InputError
        If there are no images of a class.
    """
    paths = [path for name in CLASSES for path in sorted((folder / name).glob("*.jpg"))]
    if len({path.parent for path in paths}) < len(CLASSES):
        raise InputError(f"{folder}: lacks images in {' or '.join(CLASSES)}, as {CLASSES[0]}/a.jpg")
    pixels, grey = [], []
    for path in paths:
        with Image.open(path) as image:
            pixels.append(np.asarray(image.convert("RGB").resize((side_px, side_px), Image.BOX)))
            grey.append(np.asarray(image.convert("L").resize((_GREY_PX, _GREY_PX), Image.BOX)))
    label = np.array([CLASSES.index(path.parent.name) for path in paths], np.int8)
    whole, shifted = correlations(np.array(grey))
    same = np.maximum(whole, shifted) > _SAME_FIELD
    group = connected_components(csr_array(same), directed=False)[1]
    contradicts = ((whole > _SAME_IMAGE) & (label[:, None] != label)).any(axis=1)
    images = Images([path.name for path in paths], np.array(pixels), label, group)
    left_out = [images.names[row] for row in np.flatnonzero(contradicts)]
    return images.subset(np.flatnonzero(~contradicts)), left_out


def correlations(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How alike each two images are.

    Parameters
    ----------
    grey : ndarray of shape (n, side, side), uint8
        Small grey images.

    Returns
    -------
    whole : ndarray of shape (n, n), float
        Correlation of the two whole images, the largest over turns and mirror images.
    shifted : ndarray of shape (n, n), float
        The largest correlation of what they have in common, over all shifts that leave them 40 %
        of their area in common.
    """
    images = grey.astype(np.float64) / 255
    n, side = images.shape[:2]
    centred = images - images.mean((1, 2), keepdims=True)
    norms = np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    centred = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 1e-6)
    flat = centred.reshape(n, -1)
    turns = (np.stack([turn(image, code) for image in centred]) for code in range(8))
    whole = np.max([flat @ images.reshape(n, -1).T for images in turns], axis=0)

    def spectrum(values: np.ndarray) -> np.ndarray:
        return fft.rfft2(values, (2 * side, 2 * side))

    def summed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Sums over what two images have in common, for every shift."""
        return fft.irfft2(first * second.conj(), (2 * side, 2 * side))

    plain, squared, ones = spectrum(images), spectrum(images**2), spectrum(np.ones((side, side)))
    n_common = np.maximum(np.rint(summed(ones, ones)), 1)
    is_enough = n_common >= _LEAST_OVERLAP * side**2
    shifted = np.eye(n)
    for i in range(n - 1):
        others = slice(i + 1, None)
        sum_a, sum_b = summed(plain[i], ones), summed(ones, plain[others])
        covariance = summed(plain[i], plain[others]) - sum_a * sum_b / n_common
        variance_a = summed(squared[i], ones) - sum_a**2 / n_common
        variance_b = summed(ones, squared[others]) - sum_b**2 / n_common
        # Empty fields are alike without being the same.
        is_picture = np.minimum(variance_a, variance_b) > 1e-3 * n_common
        scale = np.sqrt(np.maximum(variance_a * variance_b, 1e-12))
        found = np.where(is_enough & is_picture, covariance / scale, 0).max((1, 2))
        shifted[i, others] = shifted[others, i] = found
    return whole, shifted
