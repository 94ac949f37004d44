"""Latents decoded: pixels where they belong, pictures that others open, and honest figures."""

import tracemalloc

import imagecodecs
import numpy as np
import openslide
import pytest
import simplejpeg
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from compression.test_encoding import PATCH_PX, PIXELS, PLACES, SIZE_PX, BlockCAE
from helpers.pictures import grid_of, noise, shrunk, write_slide
from microtome.compression.decoding import (
    Fidelity,
    ReconstructedRows,
    compare,
    jpeg_bytes,
    nearest_quality,
    reconstruct_slide,
)
from microtome.compression.encoding import encode_slide, latent_shape, write_latents
from microtome.compression.latents import Latents, open_latents
from microtome.errors import InputError
from microtome.io.jpeg import encode_jpeg
from microtome.io.jpeg_tables import split_jpeg
from microtome.rasters.picture_tiff import write_rgb_pyramid
from microtome.slides.slide import Slide


@pytest.fixture
def path(tmp_path):
    """Write a slide of 5 x 7 patches, flat in squares of 4 px."""
    return write_slide(tmp_path / "a.svs", PIXELS)


def compressed(path, places=PLACES, *, precision: str = "float16") -> Latents:
    """Compress a slide with the autoencoder that loses nothing of it."""
    grid = grid_of(places, patch_px=PATCH_PX)
    store = path.with_suffix(".zarr")
    with Slide(path, name="a") as slide:
        write_latents(
            store,
            encode_slide(BlockCAE(), slide, grid, batch=5),
            grid,
            patch_shape=latent_shape(PATCH_PX),
            size_px=slide.size_px,
            precision=precision,
            origin={"slide": "a"},
        )
    return open_latents(store)


def expected() -> np.ndarray:
    """The slide's pixels where patches were encoded, else white."""
    found = np.full((160, 224, 3), 255, np.uint8)
    for r, c in PLACES:
        place = slice(r * PATCH_PX, (r + 1) * PATCH_PX), slice(c * PATCH_PX, (c + 1) * PATCH_PX)
        part = PIXELS[place]
        found[place][: part.shape[0], : part.shape[1]] = part
    return found[: SIZE_PX[1], : SIZE_PX[0]]


@pytest.mark.parametrize(("precision", "most"), [("float16", 0), ("uint8", 1)])
def test_every_pixel_at_its_place(path, precision, most):
    """What was encoded is decoded where it was, white elsewhere, cut to the slide's size."""
    picture = ReconstructedRows(BlockCAE(), compressed(path, precision=precision), batch=3)
    assert picture.shape == (144, 216)
    found = picture.rows(0, 144)
    assert np.abs(found.astype(int) - expected()).max() <= most


@pytest.mark.parametrize("step", [1, 20, 32, 50, 144])
def test_rows_in_steps_of_any_height(path, step):
    """However many rows are asked for at a time, each patch is decoded once, few together."""
    cae = BlockCAE()
    picture = ReconstructedRows(cae, compressed(path), batch=4)
    parts = [picture.rows(first, min(step, 144 - first)) for first in range(0, 144, step)]
    np.testing.assert_array_equal(np.concatenate(parts), expected())
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


def smooth(height: int, width: int) -> np.ndarray:
    """Draw colours that change slowly, which JPEG hardly alters."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / 90 + i) * np.cos(y / 70 - i) for i in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def write_picture(path, pixels: np.ndarray, *, spacing_um: float = 2.5) -> None:
    """Write pixels that are in memory as a pyramid."""
    write_rgb_pyramid(
        path,
        lambda first, n: pixels[first : first + n],
        shape=pixels.shape[:2],
        spacing_um=spacing_um,
    )


def test_levels_are_means_of_two_by_two(tmp_path):
    """Sizes halve, rounded up, until one tile holds the picture; pixels are means."""
    pixels = smooth(601, 1030)
    write_picture(tmp_path / "a.tif", pixels)
    sizes = [(601, 1030), (301, 515), (151, 258), (76, 129)]
    with openslide.OpenSlide(tmp_path / "a.tif") as slide:
        assert [size[::-1] for size in slide.level_dimensions] == sizes
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
        levels = tiff.series[0].levels
        assert [level.shape[:2] for level in levels] == sizes
        for i, level in enumerate(levels):
            (page,) = level.pages
            assert (page.tile, page.compression) == ((256, 256), tifffile.COMPRESSION.JPEG)
            above, below = page.tags["XResolution"].value
            assert above / below == pytest.approx(4000 * sizes[i][1] / 1030, rel=1e-6)
            mean = shrunk(pixels, 2**i)
            found = page.asarray()[: mean.shape[0], : mean.shape[1]]
            assert np.abs(found - mean).max() < 12
            assert np.abs(found - mean).mean() < 1.5


def test_means_at_odd_edges_by_hand(tmp_path):
    """The last row or column of an odd size is the mean of itself; a half is rounded up."""
    pixels = np.zeros((257, 513, 3), np.uint8)
    pixels[::2] = 201  # rows of 201 and 0: 100.5 in the mean, and the last row alone
    write_picture(tmp_path / "a.tif", pixels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        found = tiff.series[0].levels[1].asarray().astype(int)
    assert found.shape == (129, 257, 3)
    assert np.abs(found[:112] - 101).max() <= 1
    assert np.abs(found[128] - 201).max() <= 12  # JPEG blurs the step beside it


def test_tiles_at_the_edge_do_not_bleed(tmp_path):
    """What is beyond the edge does not darken the last pixels: a flat picture stays flat."""
    write_picture(tmp_path / "a.tif", np.full((259, 301, 3), (180, 90, 200), np.uint8))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        for level in tiff.series[0].levels:
            assert np.abs(level.asarray().astype(int) - (180, 90, 200)).max() <= 2


def test_same_picture_same_bytes(tmp_path):
    """Nothing random, no date and no version is in a picture."""
    for name in ("a.tif", "b.tif"):
        write_picture(tmp_path / name, smooth(300, 500))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert not {"DateTime", "Software", "ImageDescription"} & {
            t.name for t in tiff.pages[0].tags
        }


def test_rows_of_pictures_are_asked_for_once(tmp_path):
    """Bands of 256 rows from the top down; 40 000 of them take no more memory than a few."""
    asked = []

    def rows(first: int, n: int) -> np.ndarray:
        asked.append((first, n))
        return np.full((n, 300, 3), first // 256 % 250, np.uint8)

    tracemalloc.start()
    try:
        write_rgb_pyramid(tmp_path / "a.tif", rows, shape=(40_000, 300), spacing_um=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert asked == [(first, min(256, 40_000 - first)) for first in range(0, 40_000, 256)]
    assert peak < 6e6  # the picture has 36 MB


def test_failure_leaves_nothing(tmp_path):
    """Rows that fail half way leave no file, and none of the levels on disk."""

    def failing(first: int, n: int) -> np.ndarray:
        if first:
            raise OSError("disk full")
        return np.zeros((n, 600, 3), np.uint8)

    with pytest.raises(OSError, match="disk full"):
        write_rgb_pyramid(tmp_path / "a.tif", failing, shape=(600, 600), spacing_um=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quality", [1, 50, 90, 100])
def test_split_jpegs_are_whole_together(quality):
    """Tables and picture decode to what the file did; all of a quality share the tables."""
    first, second = (encode_jpeg(noise(48, 64, seed=seed), quality=quality) for seed in (1, 2))
    tables, picture = split_jpeg(first)
    found = imagecodecs.jpeg8_decode(
        picture, tables=tables, colorspace="YCbCr", outcolorspace="RGB"
    )
    np.testing.assert_array_equal(found, simplejpeg.decode_jpeg(first, "RGB"))
    assert split_jpeg(second)[0] == tables
    # Quantization and Huffman; a decoder that lacks the latter may take the standard's in silence.
    assert min(tables.count(b"\xff\xdb"), tables.count(b"\xff\xc4")) > 0
    assert len(tables) + len(picture) < len(first)  # JFIF is left out


def test_fidelity_is_that_of_scikit_image():
    """SSIM averaged over patches and PSNR over pixels, the same for any batches."""
    patches = np.stack([smooth(32, 32), noise(32, 32), smooth(64, 32)[32:]])
    rng = np.random.default_rng(0)
    copies = np.clip(patches + rng.normal(0, 9, patches.shape), 0, 255).astype(np.uint8)
    similar = [
        structural_similarity(
            one / 255,
            other / 255,
            channel_axis=2,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for one, other in zip(patches, copies, strict=True)
    ]
    together, apart = Fidelity(), Fidelity()
    together.add(patches, copies)
    apart.add(patches[:1], copies[:1])
    apart.add(patches[1:], copies[1:])
    for found in (together, apart):
        assert found.ssim == pytest.approx(np.mean(similar), abs=1e-4)
        assert found.psnr_db == pytest.approx(peak_signal_noise_ratio(patches, copies), abs=1e-9)


def test_fidelity_by_hand():
    """Half the values off by 51 of 255, a fifth: 10 log10(25 * 2) dB. Nothing off: no number."""
    white, darker = np.full((2, 16, 16, 3), 255, np.uint8), np.full((2, 16, 16, 3), 255, np.uint8)
    darker[:, :8] = 204
    found = Fidelity()
    found.add(white, darker)
    assert found.psnr_db == pytest.approx(10 * np.log10(50))
    same = Fidelity()
    same.add(white, white)
    assert same.psnr_db is None
    assert same.ssim == pytest.approx(1)


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


def test_jpeg_of_the_same_size(path):
    """On real pixels too the quality found by bisection is that of trying all 100."""
    patches = np.stack([PIXELS[:32, :32], smooth(32, 32), PIXELS[64:96, 32:64]])
    sizes = np.array([jpeg_bytes(patches, quality=q) for q in range(1, 101)])
    for target in (0, 1200, 2500, 4000, 7000, 10**6):
        found = nearest_quality(lambda q: int(sizes[q - 1]), target)
        assert abs(sizes[found - 1] - target) == np.abs(sizes - target).min()


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
    assert (
        abs(sizes[quality - 1] - found["latent_bytes"])
        == np.abs(sizes - found["latent_bytes"]).min()
    )
    jpegs = np.stack(
        [simplejpeg.decode_jpeg(encode_jpeg(patch, quality=quality), "RGB") for patch in patches]
    )
    assert found["jpeg_psnr_db"] == pytest.approx(peak_signal_noise_ratio(patches, jpegs))
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
