"""Nuclei of one window of an image or slide: detection map, peaks, and what is said of each."""

import math
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from microtome.nuclei.detector import Detected, Detector
from microtome.nuclei.haematoxylin import measure_haematoxylin
from microtome.nuclei.peaks import PeakFinder, PeakSettings, list_offsets

HAEMATOXYLIN_UM = 3.0  # radius of the disc in which it is measured
# Windows overlap, and px in two of them are computed twice: at most so many times the px there are.
_MOST_WORK = 1.1
# But no window is larger: the first layers of the full network hold 1 kB for each of its px.
_MOST_INNER_PX = 1536
_LEVELS = 256
_LEAST_PX = 1 / 64  # places are rounded to it


@dataclass(frozen=True)
class Nuclei:
    """Nuclei of an image.

    Attributes
    ----------
    x_px, y_px : ndarray of shape (n,), float64
        Places in px of the image, from its upper left corner; the middle of a px is +0.5.
    confidence : ndarray of shape (n,), float32
        See `microtome.nuclei.peaks.Peaks`.
    haematoxylin : ndarray of shape (n,), float32
        Mean optical density within 3 µm; see `microtome.nuclei.haematoxylin`.
    latents : ndarray of shape (n, depth), float16, or None
        Foreground vectors, if they were asked for: of the location that fires most
        among the nucleus's own and its eight neighbours.
    """

    x_px: np.ndarray
    y_px: np.ndarray
    confidence: np.ndarray
    haematoxylin: np.ndarray
    latents: np.ndarray | None = None

    def scaled(self, scale: float) -> "Nuclei":
        """Give places in px that are so much smaller."""
        return replace(self, x_px=self.x_px * scale, y_px=self.y_px * scale)

    def select(self, keep: np.ndarray) -> "Nuclei":
        """Select the nuclei given by `keep`, a bool mask or indices."""
        return Nuclei(*(None if v is None else v[keep] for v in vars(self).values()))


@dataclass(frozen=True)
class Window:
    """Px of a window, with a margin on each side, and where it lies.

    Attributes
    ----------
    pixels : ndarray of shape (height + 2 margin, width + 2 margin, 3), uint8
        RGB.
    x_px, y_px : int
        Upper left corner, without the margin, in px of the whole image.
    size_px : tuple of int
        Width and height of the whole image. There are no nuclei beyond.
    """

    pixels: np.ndarray
    x_px: int
    y_px: int
    size_px: tuple[int, int]


class NucleusFinder:
    """Finds nuclei in windows, such that it does not matter how windows are laid.

    Each location of a detection map depends on a few px around it, and each nucleus on a few
    locations. With both as margin every window finds in its inner part just what would be found in
    the whole image at once, if its corner is a multiple of `lattice_px`.

    Parameters
    ----------
    network, latents
        See `microtome.nuclei.detector.Detector`.
    settings : PeakSettings
    spacing_um : float
        µm per px of the images.

    Attributes
    ----------
    lattice_px : int
        Sides and corners of windows are multiples of it.
    margin_px : int
        Px that a window has more on each side.
    inner_px : int
        A good side for large windows, without margins: the least for which no more than 1.1 times
        the px of a large image are computed.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: PeakSettings,
        *,
        spacing_um: float,
        latents: bool = False,
    ) -> None:
        self._detector = Detector(network, latents=latents)
        self._reduction = self._detector.reduction
        self.latent_depth = self._detector.latent_depth
        self._peaks = PeakFinder(settings, reduction=self._reduction, spacing_um=spacing_um)
        self._radius_px = HAEMATOXYLIN_UM / spacing_um
        self.lattice_px = lattice = self._detector.lattice_px
        # The middle of a plateau may lie the least distance outside.
        disc_px = math.ceil((HAEMATOXYLIN_UM + settings.min_distance_um) / spacing_um) + 1
        # Nuclei lie beside what fires: by so many locations, and so many px.
        offset_px = np.array(self._detector.offset_px)
        self._beside = np.rint(offset_px / self._reduction).astype(np.int64)
        self._rest_px = offset_px - self._beside * self._reduction
        disc_px += self._reduction
        halo = self._peaks.halo + int(np.abs(self._beside).max())
        depends_px = halo * self._reduction + self._detector.reach_px
        self.margin_px = round_up(max(disc_px, depends_px), lattice)
        least = 2 * self.margin_px / (math.sqrt(_MOST_WORK) - 1)
        self.inner_px = min(round_up(least, lattice), round_up(_MOST_INNER_PX, lattice))

    def detect(self, window: Window) -> tuple[Window, Detected]:
        """Run the network on a window."""
        return window, self._detector.detect(window.pixels)

    def list_nuclei(self, found: tuple[Window, Detected]) -> Nuclei:
        """List the nuclei of a window without its margin, from what `detect` gives.

        They are the peaks of the map that is moved by the network's offset, in whole locations; the
        rest of the offset then moves each, within the image. Their order is that of rows.
        """
        window, detected = found
        spare = self.margin_px // self._reduction - self._peaks.halo
        height, width = detected.detection.shape
        right, down = self._beside
        rows = slice(spare - down, height - spare - down)
        columns = slice(spare - right, width - spare - right)
        peaks = self._peaks.find(
            detected.detection[rows, columns],
            x_px=window.x_px,
            y_px=window.y_px,
            size_px=window.size_px,
        )
        x_px, y_px = (
            np.clip(places + rest, 0, side - _LEAST_PX)
            for places, rest, side in zip(
                (peaks.x_px, peaks.y_px), self._rest_px, window.size_px, strict=True
            )
        )
        left, top = window.x_px - self.margin_px, window.y_px - self.margin_px
        moved_px = self._beside * self._reduction
        fires = peaks.x_px - left - moved_px[0], peaks.y_px - top - moved_px[1]
        return Nuclei(
            x_px=x_px,
            y_px=y_px,
            confidence=peaks.confidence,
            haematoxylin=measure_haematoxylin(
                window.pixels, x_px - left, y_px - top, radius_px=self._radius_px
            ),
            latents=self._latents_at(detected, *fires),
        )

    def _latents_at(
        self, detected: Detected, x_px: np.ndarray, y_px: np.ndarray
    ) -> np.ndarray | None:
        if detected.latents is None:
            return None
        column, row = (np.floor(p / self._reduction).astype(np.int64) for p in (x_px, y_px))
        around = np.array([(0, 0), *list_offsets(math.sqrt(2))])
        rows, columns = row[:, None] + around[:, 0], column[:, None] + around[:, 1]
        # Of those that fire as much, up to rounding, the nearest is taken.
        fires = np.rint(detected.detection[rows, columns] * _LEVELS)
        best = fires.argmax(axis=1)[:, None]
        at = (np.take_along_axis(places, best, axis=1)[:, 0] for places in (rows, columns))
        return detected.latents[tuple(at)]


def round_up(value: float, multiple: int) -> int:
    """Round up to a whole multiple.

    Examples
    --------
    >>> round_up(1311.2, 4)
    1312
    """
    return math.ceil(value / multiple) * multiple
