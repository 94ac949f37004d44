"""Whether pixels can be H&E: brightfield has light, and its dyes have colours."""

from dataclasses import dataclass

import numpy as np

from microtome.slides.pixel_forms import NEEDS_COLOURS

# In brightfield even dense tissue has more light than this in its weakest channel (0 to 255).
_DARK, _LEAST_LIT = 60, 0.02
# The channels of a grey px differ by rounding alone; glass is lighter than the second.
_ROUNDING, _PALE = 3, 200


@dataclass
class Light:
    """The light of a picture, counted in parts.

    Examples
    --------
    >>> light = Light()
    >>> light.count(np.full((8, 8, 3), (10, 10, 90), np.uint8))
    >>> light.find_fault()
    '100.0% of it is dark: fluorescence or an unscanned slide, not H&E; take it out of the sheet'
    """

    n_px: int = 0
    n_lit: int = 0
    n_pale: int = 0
    has_colours: bool = False

    def count(self, pixels: np.ndarray) -> None:
        """Count px, ndarray of shape (height, width, 3), uint8."""
        least = weakest(pixels)
        self.n_px += least.size
        self.n_lit += int(np.count_nonzero(least >= _DARK))
        self.n_pale += int(np.count_nonzero(least >= _PALE))
        self.has_colours |= bool((strongest(pixels) - least > _ROUNDING).any())

    def find_fault(self) -> str | None:
        """Say why what was counted is no H&E: nearly all dark, or without colours."""
        lit = self.n_lit / max(1, self.n_px)
        if lit < _LEAST_LIT and self.n_px:
            return (
                f"{1 - lit:.1%} of it is dark: fluorescence or an unscanned slide, not H&E; take it"
                " out of the sheet"
            )
        if not self.has_colours and self.n_pale < self.n_px:
            return f"its red, green and blue are equal; {NEEDS_COLOURS}"
        return None


def strongest(pixels: np.ndarray) -> np.ndarray:
    """Highest of the channels, ndarray of shape (..., 3) -> (...)."""
    return np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


def weakest(pixels: np.ndarray) -> np.ndarray:
    """Lowest of the channels, ndarray of shape (..., 3) -> (...)."""
    return np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
