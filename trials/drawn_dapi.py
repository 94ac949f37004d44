"""DAPI images drawn from labels of nuclei, turned, shifted and spoilt as a microscope would."""

import numpy as np
from scipy import ndimage
from skimage.transform import AffineTransform, EuclideanTransform, warp


def draw_dapi(
    labels: np.ndarray,
    rng: np.random.Generator,
    *,
    rotation_deg: float = 0,
    shift_px: tuple[float, float] = (0, 0),
    range_of_values: float = 1,
    noise: float = 0.08,
    vignette: float = 0.3,
    lost: float = 0.15,
) -> np.ndarray:
    """Draw bright nuclei on dark, ndarray of the labels' shape, float64, about 0.1 to 1.1.

    To lie on the labels it has to be turned clockwise by `rotation_deg` about its centre, which
    comes to lie `shift_px`, x and y, from theirs. Nuclei have a brightness of 0.5 to 1, and the
    share `lost` none; corners are darker by the share `vignette`.
    """
    brightness = rng.uniform(0.5, 1, int(labels.max()) + 1)
    brightness[rng.random(len(brightness)) < lost] = 0
    brightness[0] = 0
    light = ndimage.gaussian_filter(brightness[labels], 1)
    centre = (np.array(labels.shape[::-1]) - 1) / 2
    place = (
        AffineTransform(translation=-centre)
        + EuclideanTransform(rotation=np.deg2rad(rotation_deg))
        + AffineTransform(translation=centre + np.array(shift_px))
    )
    light = 0.1 + range_of_values * warp(light, place, order=1)
    y, x = np.mgrid[-1 : 1 : light.shape[0] * 1j, -1 : 1 : light.shape[1] * 1j]
    return light * (1 - vignette * (x**2 + y**2) / 2) + rng.normal(0, noise, light.shape)
