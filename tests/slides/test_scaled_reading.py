"""At coarser spacings a slide is its own pixels, averaged; how near, is measured here."""

import numpy as np
import pytest
from PIL import Image

from helpers.slide_files import by_openslide, texture, write_tiled
from microtome.slides.slide import Slide

PIXELS = texture(900, 1000)
FACTORS = (1.37, 2, 2.057, 3, 4, 4.11, 6, 8, 11.3, 16)
EQUAL = 99
# Measured, less one or two dB. Where the decoder halves before a triangle is laid over its pixels,
# the result is sharper than with a triangle over full resolution, most so for noise. Chroma that is
# kept at half the width only (4:2:2) is replicated, not interpolated, by the decoder's scaling.
LEAST_DB = {
    "jpeg rgb": (EQUAL, 55, 49, EQUAL, 58, 43, 56, 59, 45, 53),
    "jpeg 4:4:4": (EQUAL, 50, 48, EQUAL, 50, 42, 54, 50, 44, 52),
    "jpeg 4:2:2": (EQUAL, 44, 45, EQUAL, 38, 38, 49, 37, 41, 51),
    "jpeg 4:2:0": (EQUAL, 46, 46, EQUAL, 47, 42, 51, 49, 44, 52),
    "deflate": (EQUAL, EQUAL, 49, EQUAL, EQUAL, 43, 57, EQUAL, 45, 54),
    "jpeg 2000": (EQUAL, EQUAL, 49, EQUAL, EQUAL, 43, 57, EQUAL, 45, 54),
    "real": (80, 52, 36, EQUAL, 55, 34, 56, 56, 38, 55),
}
MARGIN = 40


def averaged(
    canvas: np.ndarray, corner: tuple[int, int], size: tuple[int, int], scale: float
) -> np.ndarray:
    """A region by Pillow from the pixels of level 0: a box for whole factors, else a triangle."""
    (x, y), (width, height) = corner, size
    box = [n + MARGIN for n in (x, y, x + width * scale, y + height * scale)]
    image = Image.fromarray(canvas)
    if float(scale).is_integer():
        return np.asarray(image.crop(box).reduce(int(scale)))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal to noise, dB; 99 where they are equal."""
    error = np.square(one.astype(float) - other).mean()
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


def measured(path) -> np.ndarray:
    """PSNR of the inner 80 % of a slide of one level, at each of the factors."""
    canvas = by_openslide(path, margin=MARGIN)[0]
    found = []
    with Slide(path, name="a", spacing_um=0.5) as slide:
        corner = tuple(int(0.1 * side / 16) * 16 for side in slide.size_px)
        for scale in FACTORS:
            size = tuple(int(0.8 * side / scale) for side in slide.size_px)
            read = slide.read(*corner, *size, scale=scale)
            found.append(psnr(read, averaged(canvas, corner, size, scale)))
    return np.round(found, 1)


@pytest.mark.parametrize("storage", [storage for storage in LEAST_DB if storage != "real"])
def test_as_near_as_measured(tmp_path, storage):
    """Every scale is as near to OpenSlide's pixels, averaged, as the decoder allows."""
    tile = (240, 240) if storage == "jpeg rgb" else (256, 256)
    path = write_tiled(tmp_path / "a.svs", PIXELS, storage, downsamples=(1,), tile=tile)
    found = measured(path)
    assert (found >= LEAST_DB[storage]).all(), found


def test_a_real_slide_as_near_as_measured(real_slides):
    """The same of a scan of stained tissue."""
    found = measured(real_slides / "CMU-1-Small-Region.svs")
    assert (found >= LEAST_DB["real"]).all(), found


@pytest.mark.parametrize(
    ("storage", "most"), [("jpeg rgb", 2), ("jpeg 4:2:0", 20), ("deflate", 1), ("jpeg 2000", 1)]
)
@pytest.mark.parametrize("size", [(300, 420), (298, 418), (301, 421), (304, 424), (320, 432)])
def test_edges_mix_with_white_only(tmp_path, storage, most, size):
    """What a tile holds beyond the slide's edge, black here, shows only in JPEG's shared chroma."""
    height, width = size
    options = {"downsamples": (1,), "padding": 0}
    path = write_tiled(tmp_path / "a.svs", texture(height, width), storage, **options)
    canvas = by_openslide(path, margin=MARGIN)[0]
    with Slide(path, name="a") as slide:
        for scale in (1, 2, 3, 4, 6, 8, 16):
            w, h = -(-(width + 10) // scale), -(-(height + 10) // scale)
            read = slide.read(0, 0, w, h, scale=scale).astype(int)
            expected = averaged(canvas, (0, 0), (w, h), scale)
            assert np.abs(read - expected)[height // scale - 2 :].max() <= most
            assert np.abs(read - expected)[:, width // scale - 2 :].max() <= most


@pytest.mark.parametrize("storage", ["jpeg rgb", "deflate"])
@pytest.mark.parametrize("scale", [1.37, 2.5, 5.3, 9.1])
def test_edges_at_fractional_scales(tmp_path, storage, scale):
    """A grey slide with black padding is never darker than it is, to its edge and beyond."""
    size = (296, 424) if storage == "jpeg rgb" else (301, 421)  # blocks of JPEG would mix them
    grey = np.full((*size, 3), 100, np.uint8)
    path = write_tiled(tmp_path / "a.svs", grey, storage, downsamples=(1,), padding=0)
    with Slide(path, name="a") as slide:
        read = slide.read(-7.5, -3.1, int(450 / scale), int(330 / scale), scale=scale)
    assert read.min() >= 99


@pytest.mark.parametrize("storage", ["jpeg rgb", "jpeg 4:2:0", "deflate"])
@pytest.mark.parametrize("scale", [2, 4, 8, 2.5, 5.3, 9.1])
def test_decoding_at_a_fraction_shifts_nothing(tmp_path, storage, scale):
    """A ramp read at any scale is the ramp's value at each px's centre, in x and in y."""
    ramp = np.broadcast_to(np.arange(248, dtype=np.uint8)[None, :, None], (248, 248, 3))
    for axes in ((0, 1), (1, 0)):
        pixels = np.ascontiguousarray(ramp.transpose(*axes, 2))
        path = write_tiled(tmp_path / "a.svs", pixels, storage, downsamples=(1,))
        with Slide(path, name="a") as slide:
            read = slide.read(16, 16, int(200 / scale), int(200 / scale), scale=scale)
        found = read.transpose(*axes, 2).astype(float).mean((0, 2))
        expected = 16 + (np.arange(len(found)) + 0.5) * scale - 0.5
        assert np.abs(found - expected).max() <= 1.7
        assert abs((found - expected).mean()) <= 0.6  # half a px at scale 2 would be 1
