"""Optical density of haematoxylin around places, against scikit-image."""

import numpy as np
import pytest
from skimage.color import rgb2hed

from helpers.pictures import noise
from microtome.nuclei.haematoxylin import measure_haematoxylin


@pytest.mark.parametrize("radius_px", [1.0, 3.7, 6.0])
def test_it_is_the_mean_of_scikit_image_over_the_disc(radius_px):
    """Of every px whose middle is within the radius, also of places between px."""
    pixels = np.maximum(noise(60, 70), 1)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(8, 60, 40), rng.uniform(8, 50, 40)
    found = measure_haematoxylin(pixels, x, y, radius_px=radius_px)
    density = 6 * rgb2hed(pixels)[..., 0]  # scikit-image's unit is a density of 6
    rows, columns = np.indices(density.shape) + 0.5
    inside = [np.hypot(columns - a, rows - b) <= radius_px for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(found, [density[disc].mean() for disc in inside], rtol=1e-5)


def test_black_is_as_dark_as_8_bits_can_tell():
    """Not a density of 6, which no scanner measures."""
    black = np.zeros((9, 9, 3), np.uint8)
    found = [
        measure_haematoxylin(pixels, np.array([4.5]), np.array([4.5]), radius_px=2)
        for pixels in (black, black + 1)
    ]
    assert found[0] == found[1]
