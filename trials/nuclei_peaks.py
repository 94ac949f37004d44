"""What people use without networks: peaks of the haematoxylin channel, and HistomicsTK's Kofahi."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2hed
from skimage.feature import peak_local_max

from microtome.nucleus_scores.curve import detection_curve
from nuclei_windows import SPACING_UM, TrialImage

BENCH = Path(__file__).resolve().parents[1] / "bench"
# Asked for in a process of its own: modules of bench have names that are others' here.
_FIND_PYTHON = "from environments import python_of; print(python_of('histomicstk'))"
_SIGMAS_PX = (2.0, 3.0, 4.0, 5.0, 6.0)
_DISTANCES_PX = (4, 6, 8, 10)


@dataclass(frozen=True)
class PeakFinder:
    """Peaks of scikit-image's haematoxylin channel, smoothed.

    Attributes
    ----------
    sigma_px : float
        Of the Gaussian.
    min_distance_px : int
        Least distance of two nuclei, as `skimage.feature.peak_local_max` takes it.
    threshold : float
        Least value.
    """

    sigma_px: float
    min_distance_px: int
    threshold: float

    def find(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find nuclei in an image, (height, width, 3), uint8, at 0.5 µm per px.

        Gives x and y in µm, (n, 2), and the smoothed channel there, (n,).
        """
        smooth = gaussian_filter(rgb2hed(pixels)[..., 0], self.sigma_px)
        return _find_peaks(smooth, self.min_distance_px, self.threshold)


def _find_peaks(
    smooth: np.ndarray, min_distance_px: int, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    # It takes what is above the threshold, here what is at least that.
    below = np.nextafter(threshold, -np.inf)
    rows, columns = peak_local_max(
        smooth, min_distance=min_distance_px, threshold_abs=below, exclude_border=False
    ).T
    points = (np.stack([columns, rows], axis=1) + 0.5) * SPACING_UM
    return points, smooth[rows, columns]


def tune_peaks(images: Sequence[TrialImage], *, within_um: float) -> PeakFinder:
    """Choose sigma and least distance from a grid, and the best of all thresholds, by F."""
    channels = [rgb2hed(image.pixels)[..., 0] for image in images]
    best = None
    for sigma_px in _SIGMAS_PX:
        smooth = [gaussian_filter(channel, sigma_px) for channel in channels]
        # Nuclei are fewer than half of all px.
        lowest = np.median(np.concatenate([each.ravel() for each in smooth]))
        for distance_px in _DISTANCES_PX:
            found = (_find_peaks(each, distance_px, lowest) for each in smooth)
            scored = [image.with_found(*peaks) for image, peaks in zip(images, found, strict=True)]
            curve = detection_curve(scored, within_um=within_um)
            f = float(curve.f_scores().max())
            if best is None or f > best[0]:
                best = f, PeakFinder(sigma_px, distance_px, curve.best_threshold())
    return best[1]


def find_by_kofahi(
    taught: Sequence[TrialImage], tested: Sequence[TrialImage], *, within_um: float
) -> tuple[list[np.ndarray] | None, dict | str]:
    """Find nuclei by HistomicsTK, with the settings of a grid that have the best F on images.

    Gives x and y in µm, (n, 2), of each image that is tested, and the settings; None and a line
    that says why, if it cannot be installed here.
    """
    done = ask_bench(_FIND_PYTHON)
    if done.returncode:
        return None, done.stderr.splitlines()[-1]
    python = done.stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder) / "images.npz", Path(folder) / "found.json"
        np.savez(given, *[image.pixels for image in (*taught, *tested)])
        program = BENCH / "peers" / "histomicstk_nuclei.py"
        subprocess.run([python, program, given, written], check=True)  # noqa: S603
        tried = json.loads(written.read_text())
    best = None
    for settings in tried:
        points = settings.pop("points")
        found = [np.array(each, np.float64).reshape(-1, 2) * SPACING_UM for each in points]
        scored = [
            image.with_found(each, np.ones(len(each)))
            for image, each in zip(taught, found, strict=False)
        ]
        f = float(detection_curve(scored, within_um=within_um).f_scores().max(initial=0))
        if best is None or f > best[0]:
            best = f, found[len(taught) :], settings
    return best[1], best[2]


def ask_bench(program: str) -> subprocess.CompletedProcess:
    """Run a line of Python among the modules of bench, and catch what it says."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=False)  # noqa: S603


def describe(finder: PeakFinder) -> dict[str, float]:
    """Say what was chosen."""
    return asdict(finder)
