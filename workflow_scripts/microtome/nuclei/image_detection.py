"""Nuclei of an image that is in memory."""

from collections.abc import Iterator

import numpy as np

from microtome.nuclei.finder import Nuclei, NucleusFinder, Window, round_up


def find_nuclei_of_image(
    finder: NucleusFinder, pixels: np.ndarray, *, inner_px: int | None = None
) -> Nuclei:
    """Find the nuclei of an image, as large as memory allows.

    Beyond its edges the image is taken to go on as its mirror image: a picture of labelled nuclei
    is cut out of tissue.

    Parameters
    ----------
    finder : NucleusFinder
        For the spacing of the image.
    pixels : ndarray of shape (height, width, 3), uint8
        RGB.
    inner_px : int, optional
        Largest side of the windows in which it is looked at, a multiple of `finder.lattice_px`;
        what is found does not depend on it.

    Examples
    --------
    A network that finds what is dark:

    >>> from types import SimpleNamespace
    >>> import torch
    >>> from microtome.nuclei.peaks import PeakSettings
    >>> class Darkness(torch.nn.AvgPool2d):
    ...     reduction, lattice_px, reach_px = 4, 4, 0
    ...     def detect(self, images):
    ...         return 1 - self(images).mean(1, keepdim=True)
    >>> settings = PeakSettings(min_distance_um=3.0, smoothing_um=1.0, threshold=0.5)
    >>> finder = NucleusFinder(Darkness(4), settings, spacing_um=0.5)
    >>> pixels = np.full((50, 60, 3), 255, np.uint8)
    >>> pixels[20:24, 32:36] = 0
    >>> found = find_nuclei_of_image(finder, pixels)
    >>> found.x_px, found.y_px, found.confidence, found.haematoxylin.round(2)
    (array([34.]), array([22.]), array([1.], dtype=float32), array([0.42], dtype=float32))
    """
    parts = [
        finder.list_nuclei(finder.detect(window))
        for window in _cut_windows(pixels, finder, inner_px or finder.inner_px)
    ]
    joined = (
        None if values[0] is None else np.concatenate(values)
        for values in zip(*(vars(part).values() for part in parts), strict=True)
    )
    return Nuclei(*joined)


def _cut_windows(pixels: np.ndarray, finder: NucleusFinder, inner_px: int) -> Iterator[Window]:
    height, width = pixels.shape[:2]
    margin, lattice = finder.margin_px, finder.lattice_px
    beyond = [(margin, margin + round_up(side, lattice) - side) for side in (height, width)]
    wide = np.pad(pixels, (*beyond, (0, 0)), mode="symmetric")
    for top in range(0, height, inner_px):
        for left in range(0, width, inner_px):
            part = wide[top : top + inner_px + 2 * margin, left : left + inner_px + 2 * margin]
            yield Window(part, left, top, (width, height))
