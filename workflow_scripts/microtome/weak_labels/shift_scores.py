"""How well two images agree at every shift at once, by Fourier transforms."""

import numpy as np
from scipy import fft

# A shift counts if so much of the smaller image lies on the other.
LEAST_OVERLAP = 0.4


class ShiftScores:
    """Correlations of other images with one, a float ndarray of shape (height, width).

    `largest_shape` is that of the largest of the others.

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(size=(20, 30))
    >>> part = image[3:, 7:]
    >>> scores, (y, x) = ShiftScores(image, part.shape).score(part, np.ones(part.shape, bool))
    >>> row, column = np.unravel_index(scores.argmax(), scores.shape)
    >>> int(row - y), int(column - x)
    (3, 7)
    """

    def __init__(self, fixed: np.ndarray, largest_shape: tuple[int, int]) -> None:
        # Room for shifts beyond each edge: nothing wraps around.
        self._shape = [
            fft.next_fast_len(n + m - 1, real=True)
            for n, m in zip(fixed.shape, largest_shape, strict=True)
        ]
        self._n_px = fixed.size
        ones = np.ones(fixed.shape, np.float32)
        self._ones, self._sum, self._squares = map(self._transform, (ones, fixed, fixed**2))

    def score(self, moving: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """Score each shift of another image, of which the px `inside`, bool, count.

        Pearson's correlation r over the n px that overlap is made comparable, as artanh(r) sqrt(n),
        and given in standard deviations from the mean over all shifts. A shift that leaves too
        little overlap scores 0.

        Returns
        -------
        scores : ndarray
            By rows and columns of shift.
        origin : tuple of int
            Where the shift is 0: one row further, the moving image lies one px further down.
        """
        seen = moving * inside
        ones, first, second = (
            np.conj(self._transform(one)) for one in (inside.astype(np.float32), seen, seen**2)
        )
        n = np.maximum(self._back(self._ones * ones), 1)
        sum_fixed, sum_moving = self._back(self._sum * ones), self._back(self._ones * first)
        together = self._back(self._sum * first) - sum_fixed * sum_moving / n
        of_fixed = self._back(self._squares * ones) - sum_fixed**2 / n
        of_moving = self._back(self._ones * second) - sum_moving**2 / n
        variances = np.maximum(of_fixed, 0) * np.maximum(of_moving, 0)
        counts = (n >= LEAST_OVERLAP * min(self._n_px, inside.sum())) & (variances > 0)
        r = np.divide(together, np.sqrt(variances), where=counts, out=np.zeros_like(n))
        height = np.arctanh(r.clip(-0.999, 0.999)) * np.sqrt(n)
        spread = height[counts].std() if counts.any() else 0
        scores = np.zeros_like(n)
        if spread > 0:
            scores[counts] = (height[counts] - height[counts].mean()) / spread
        origin = moving.shape[0] - 1, moving.shape[1] - 1
        return np.roll(scores, origin, axis=(0, 1)), origin

    def _transform(self, image: np.ndarray) -> np.ndarray:
        return fft.rfft2(image, self._shape)

    def _back(self, product: np.ndarray) -> np.ndarray:
        return fft.irfft2(product, self._shape)
