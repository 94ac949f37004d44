"""Latents decoded: pixels where they belong, pictures that others open, and honest figures."""

import numpy as np
import openslide
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from compression.test_encoding import PATCH_PX, PIXELS, PLACES, SIZE_PX, BlockCAE, compressed
from helpers.pictures import smooth, write_slide
from helpers.whole_arrays import in_bands, ssim_of_scikit_image
from microtome.compression.decoding import (
    ReconstructedRows,
    compare,
    jpeg_bytes,
    nearest_quality,
    reconstruct_slide,
)
from microtome.errors import InputError
from microtome.io.jpeg import encode_jpeg
from microtome.io.jpeg_tables import split_jpeg
from microtome.slides.slide import Slide


@pytest.fixture
def path(tmp_path):
    """Write a slide of 5 x 7 patches, flat in squares of 4 px."""
    return write_slide(tmp_path / "a.svs", PIXELS)


def expected() -> np.ndarray:
    """The slide's pixels where patches were encoded, else white."""
    found = np.full((160, 224, 3), 255, np.uint8)
    for r, c in PLACES:
        place = slice(r * PATCH_PX, (r + 1) * PATCH_PX), slice(c * PATCH_PX, (c + 1) * PATCH_PX)
        part = PIXELS[place]
        found[place][: part.shape[0], : part.shape[1]] = part
    return found[: SIZE_PX[1], : SIZE_PX[0]]


@pytest.mark.parametrize(
    ("step", "precision", "most"),
    [
        (1, "float16", 0),
        (20, "float16", 0),
        (50, "float16", 0),
        (32, "uint8", 1),
        (144, "uint8", 1),
    ],
)
def test_every_pixel_at_its_place(path, step, precision, most):
    """In bands of any height: white beside patches, each of which is decoded once, few together."""
    cae = BlockCAE()
    picture = ReconstructedRows(cae, compressed(path, precision=precision), batch=4)
    assert picture.shape == (144, 216)
    found = in_bands(picture.rows, 144, step).astype(int)
    assert np.abs(found - expected()).max() <= most
    assert sum(cae.decoder.batches) == len(PLACES)
    assert max(cae.decoder.batches) == 4


def test_the_picture_is_a_slide(path, tmp_path):
    """OpenSlide and the workflow open it: size, levels, spacing and pixels, white where empty."""
    reconstruct_slide(tmp_path / "r.tif", BlockCAE(), compressed(path), batch=4)
    with openslide.OpenSlide(tmp_path / "r.tif") as slide:
        assert slide.detect_format(tmp_path / "r.tif") == "generic-tiff"
        assert slide.dimensions == SIZE_PX
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        assert float(slide.properties["tiff.XResolution"]) == pytest.approx(20_000)
        found = np.asarray(slide.read_region((0, 0), 0, SIZE_PX))
    assert (found[32:64, 64:96] != 255).any()
    assert (found[:16, :16] == 255).all()  # (0, 0) holds no patch
    with Slide(tmp_path / "r.tif", name="r") as slide:
        assert slide.spacing_um == pytest.approx(0.5)
        again = slide.read(0, 0, *SIZE_PX, scale=1)
    jpeg = simplejpeg.decode_jpeg(encode_jpeg(np.ascontiguousarray(expected()), quality=90))
    # As near as JPEG comes to the same pixels: the noise of the squares costs it some.
    off, least = (np.abs(a.astype(int) - expected()).mean() for a in (again, jpeg))
    assert off < 1.05 * least


@given(st.lists(st.integers(0, 50), min_size=100, max_size=100), st.integers(-10, 5200))
def test_nearest_quality_is_that_of_trying_all(growth, target):
    """For sizes that grow, or stay, with the quality: none is nearer; the lowest of those alike."""
    sizes = np.cumsum(growth)
    asked = []

    def size_at(quality: int) -> int:
        asked.append(quality)
        return int(sizes[quality - 1])

    found = nearest_quality(size_at, target)
    assert abs(sizes[found - 1] - target) == np.abs(sizes - target).min()
    assert set(asked) <= set(range(1, 101))
    assert len(set(asked)) <= 9


def test_jpeg_bytes_count_tables_once():
    """Each further patch costs its picture, not the tables again."""
    patch = smooth(32, 32)[None]
    one, two = (jpeg_bytes(np.repeat(patch, n, axis=0), quality=50) for n in (1, 2))
    tables, picture = split_jpeg(encode_jpeg(patch[0], quality=50))
    assert (one, two - one) == (len(tables) + len(picture), len(picture))


def test_comparison_of_a_slide_by_hand(path):
    """A reconstruction without loss, with the bytes of exactly these patches and of the store."""
    latents = compressed(path)
    with Slide(path, name="a") as slide:
        found = compare(BlockCAE(), slide, latents, most_patches=1000, batch=4)
    assert (found["patches"], found["stored_patches"]) == (len(PLACES), len(PLACES))
    assert found["ssim"] == pytest.approx(1, abs=1e-6)
    assert found["psnr_db"] is None
    assert found["raw_bytes"] == len(PLACES) * 32 * 32 * 3
    assert found["latent_bytes"] == latents.n_bytes.sum()
    assert found["ratio"] == pytest.approx(found["raw_bytes"] / found["latent_bytes"])
    assert found["slide_bytes"] == path.stat().st_size
    files = [f for f in latents.path.rglob("*") if f.is_file()]
    assert found["store_bytes"] == sum(f.stat().st_size for f in files) > found["latent_bytes"]


def test_comparison_is_with_the_slides_own_pixels(tmp_path):
    """Of a slide that is not flat in squares, the figures are those of its patches and JPEGs."""
    pixels = smooth(96, 96)
    pixels[::2] //= 2
    path = write_slide(tmp_path / "b.svs", pixels)
    places = [(0, 0), (0, 2), (2, 1)]
    latents = compressed(path, places)
    with Slide(path, name="b") as slide:
        found = compare(BlockCAE(), slide, latents, most_patches=10, batch=2)
    patches = np.stack([pixels[32 * r : 32 * r + 32, 32 * c : 32 * c + 32] for r, c in places])
    means = patches.reshape(3, 8, 4, 8, 4, 3).mean((2, 4)).repeat(4, 1).repeat(4, 2)
    copies = means.round().astype(np.uint8)
    assert found["psnr_db"] == pytest.approx(peak_signal_noise_ratio(patches, copies), abs=0.02)
    sizes = np.array([jpeg_bytes(patches, quality=q) for q in range(1, 101)])
    quality = found["jpeg_quality"]
    assert found["jpeg_bytes"] == sizes[quality - 1]
    off = np.abs(sizes - found["latent_bytes"])
    assert off[quality - 1] == off.min()
    jpegs = np.stack(
        [simplejpeg.decode_jpeg(encode_jpeg(patch, quality=quality), "RGB") for patch in patches]
    )
    assert found["jpeg_psnr_db"] == pytest.approx(peak_signal_noise_ratio(patches, jpegs))
    similar = ssim_of_scikit_image(patches / 255, jpegs / 255)
    assert found["jpeg_ssim"] == pytest.approx(similar, abs=1e-4)
    assert found["jpeg_ssim"] > found["ssim"]
    assert found["jpeg_is_larger"] is False


def test_no_jpeg_is_small_enough(tmp_path):
    """Where quality 1 takes more bytes than the latents, that is said, with its figures."""
    path = write_slide(tmp_path / "w.svs", np.full((64, 64, 3), 255, np.uint8))
    latents = compressed(path, [(0, 0)])
    with Slide(path, name="w") as slide:
        found = compare(BlockCAE(), slide, latents, most_patches=10, batch=2)
    assert found["jpeg_is_larger"]
    assert found["jpeg_quality"] == 1
    assert found["jpeg_bytes"] > found["latent_bytes"]
    assert found["jpeg_ssim"] == pytest.approx(1, abs=1e-3)


def test_compared_patches_are_evenly_spaced(path):
    """Three of them are the first, the middle one and the last, and only their bytes count."""
    latents = compressed(path)
    n = len(PLACES)
    with Slide(path, name="a") as slide:
        found = compare(BlockCAE(), slide, latents, most_patches=3, batch=2)
    chosen = [0, round((n - 1) / 2), n - 1]
    assert (found["patches"], found["raw_bytes"]) == (3, 3 * 32 * 32 * 3)
    assert found["latent_bytes"] == latents.n_bytes[chosen].sum()
    assert found["psnr_db"] is None  # each was compared with its own latents


def test_nothing_to_compare(path):
    """A store without patches is an error with the slide's name."""
    latents = compressed(path, [])
    with Slide(path, name="a") as slide, pytest.raises(InputError, match=r"^slide a: .* no patch"):
        compare(BlockCAE(), slide, latents, most_patches=3, batch=2)
