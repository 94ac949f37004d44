"""Which pictures of a file are levels of the slide, and where on it their pixels lie."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.dicom_slides import write_dicom_level
from helpers.slide_files import ome_description, texture
from microtome.errors import InputError
from microtome.slides.inspection import inspect
from microtome.slides.level_places import guess_places
from microtome.slides.slide import Slide

GREEN = (60, 120, 60)
MACRO = texture(400, 400, seed=9)
OTHERS = ["macro", "small", "scene", "strips"]
STORAGE = {
    "none": {"compression": None},
    "deflate": {},
    "jpeg": {"compression": "jpeg", "compressionargs": {"level": 95, "outcolorspace": "rgb"}},
}


def drawn(height: int, width: int) -> np.ndarray:
    """Draw tissue with a green mark near the lower right corner: there a wrong place shows most."""
    pixels = texture(height, width).copy()
    pixels[height - 90 : height - 40, width - 110 : width - 50] = GREEN
    return pixels


def reduced(pixels: np.ndarray, by: int) -> np.ndarray:
    """Means of `by` x `by` px; what does not fill a px is cut off."""
    height, width = (side // by * by for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels[:height, :width]).reduce(by))


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The whole picture at another size."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


def padded(pixels: np.ndarray, tile: int) -> np.ndarray:
    """Fill black up to whole tiles, and to an even number of them, as Philips does in white."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, -height % (2 * tile)), (0, -width % (2 * tile)), (0, 0)))


def centre(pixels: np.ndarray) -> np.ndarray:
    """Row and column of the middle of the green mark."""
    red, green, blue = np.moveaxis(pixels.astype(int), 2, 0)
    return np.argwhere((green > red + 30) & (green > blue + 30)).mean(0) + 0.5


@dataclass
class Page:
    """A page of a TIFF: its pixels, its flag and its px per cm."""

    pixels: np.ndarray
    reduced: bool = False
    per_cm: float | None = None
    tiled: bool = True
    under: bool = False


def write_pages(
    path: Path,
    pages: list[Page],
    *,
    tile: int = 64,
    description: bytes | None = None,
    **form: object,
) -> Path:
    """Write pages in this order, or some under the first, which has the description, if any."""
    n_under = sum(page.under for page in pages)
    with tifffile.TiffWriter(path) as tiff:
        for number, page in enumerate(pages):
            how = {} if number else {"subifds": n_under or None, "description": description}
            if page.per_cm:
                how |= {"resolution": (page.per_cm,) * 2, "resolutionunit": "CENTIMETER"}
            if page.tiled:
                how["tile"] = (tile, tile)
            tiff.write(
                page.pixels,
                photometric="rgb",
                metadata=None,
                subfiletype=int(page.reduced),
                **how,
                **{"compression": "deflate", **form},
            )
    return path


def pyramid(pixels: np.ndarray, *factors: int, flag: bool = True, tags: bool = False) -> list[Page]:
    """The pages of a pyramid; their resolutions are the true ones, or there are none."""
    return [
        Page(reduced(pixels, by), flag and by > 1, 20000 / by if tags else None)
        for by in (1, *factors)
    ]


def levels_of(path: Path) -> dict[float, tuple[int, int]]:
    """The sizes of a slide's levels by their downsamples."""
    with Slide(path, name="a", spacing_um=0.5) as slide:
        return dict(zip(slide.downsamples, slide.levels, strict=True))


def require_right(path: Path, pixels: np.ndarray, *scales: int) -> None:
    """Require that at each scale the mark lies at its place, and the px are means of level 0."""
    height, width = pixels.shape[:2]
    with Slide(path, name="a", spacing_um=0.5) as slide:
        assert slide.size_px == (width, height)
        for scale in scales:
            read = slide.read(0, 0, width // scale, height // scale, scale=scale)
            if scale <= 16:  # else no px is green alone
                assert np.abs(centre(read) * scale - centre(pixels)).max() <= scale
            assert np.abs(read.astype(int) - reduced(pixels, scale)).mean() < 2.5


@st.composite
def forms(draw: st.DrawFn) -> dict:
    """How a pyramid is stored, and what else is in its file."""
    return {
        "size": (draw(st.integers(300, 500)), draw(st.integers(300, 620))),
        "factors": draw(st.sampled_from([(2, 4), (4,), (2, 4, 8), (4, 16), (3, 6)])),
        "tile": draw(st.sampled_from([32, 64])),
        "is_padded": draw(st.booleans()),
        "marking": draw(st.sampled_from(["flagged", "tagged", "plain", "under"])),
        "storage": draw(st.sampled_from(list(STORAGE))),
        "others": draw(st.lists(st.sampled_from(OTHERS), max_size=2)),
        "place": draw(st.integers(0, 4)),
    }


@settings(max_examples=20)
@given(form=forms())
def test_any_pyramid_shows_a_mark_at_its_place(tmp_path_factory, form):
    """Padded or not, flagged or not, among other pictures; as OpenSlide where that is right."""
    height, width = form["size"]
    pixels, marking = drawn(height, width), form["marking"]
    pages = pyramid(pixels, *form["factors"], flag=marking != "plain", tags=marking == "tagged")
    for page in pages[1:]:
        page.under = marking == "under"
        if form["is_padded"]:
            page.pixels = padded(page.pixels, form["tile"])
    for other in form["others"]:
        page = {
            "macro": Page(resized(MACRO, height // 4, width // 4), reduced=True),
            "small": Page(resized(MACRO, 50, 70)),
            "scene": Page(resized(MACRO, height - 1, width - 1)),
            "strips": Page(reduced(pixels, 5), tiled=False),
        }[other]
        first = len(pages) if marking == "under" else 1
        pages.insert(max(first, form["place"]), page)
    path = tmp_path_factory.mktemp("pyramid") / "a.tif"
    write_pages(path, pages, tile=form["tile"], **STORAGE[form["storage"]])
    require_right(path, pixels, *form["factors"], 2 * form["factors"][-1])
    is_known = form["factors"] != (3, 6) or not form["is_padded"]  # padding hides a factor of 3
    if is_known:
        assert [*levels_of(path)] == [1, *form["factors"]]
    if form["is_padded"] or form["others"]:
        return
    with Slide(path, name="a", spacing_um=0.5) as slide, openslide.OpenSlide(path) as other:
        for level, size in enumerate(other.level_dimensions):
            own = slide.levels.index(size)
            read = slide.read(0, 0, *size, scale=slide.downsamples[own])
            shown = np.asarray(other.read_region((0, 0), level, size))
            np.testing.assert_array_equal(read, shown[..., :3])


@pytest.mark.parametrize("tags", [True, False])
def test_levels_padded_to_whole_tiles(tmp_path, tags):
    """What is beyond the slide in them is no part of it; without tags the content tells it."""
    pixels = drawn(448, 896)
    pages = pyramid(pixels, 2, 4, tags=tags)
    for page in pages[1:]:
        page.pixels = padded(page.pixels, 64)
    path = write_pages(tmp_path / "a.tif", pages)
    with openslide.OpenSlide(path) as slide:
        assert slide.level_downsamples[2] == 3.5
    assert levels_of(path) == {1: (896, 448), 2: (448, 224), 4: (224, 112)}
    require_right(path, pixels, 2, 4, 8)
    with Slide(path, name="a", spacing_um=0.5) as slide:
        assert (slide.read(896, 0, 8, 112, scale=4) == 255).all()


@pytest.mark.parametrize("flag", [True, False])
def test_a_level_that_padding_makes_larger_than_the_slide(tmp_path, flag):
    """Of a slide of less than two tiles a side, whether it says that it is reduced or not."""
    pixels = drawn(230, 200)
    pages = pyramid(pixels, 2, flag=flag)
    pages[1].pixels = padded(pages[1].pixels, 128)
    path = write_pages(tmp_path / "a.tif", pages, tile=128)
    assert levels_of(path) == {1: (200, 230), 2: (100, 115)}


def test_a_picture_whose_tags_are_another_slides_is_no_level(tmp_path):
    """A macro says its own resolution; a level of which tags say nonsense shows what it is."""
    pixels = drawn(320, 480)
    macro = Page(resized(MACRO, 80, 120), True, per_cm=100)
    level = Page(reduced(pixels, 2), True, per_cm=28.35)
    path = write_pages(tmp_path / "a.tif", [Page(pixels, per_cm=20000), macro, level])
    assert levels_of(path) == {1: (480, 320), 2: (240, 160)}


@pytest.mark.parametrize("flag", [True, False])
def test_a_macro_of_the_slides_shape_is_no_level(tmp_path, flag):
    """Neither flagged as reduced, as Aperio's is, nor with the true size of its px."""
    pixels = drawn(320, 480)
    macro = Page(resized(MACRO, 80, 120), flag, per_cm=5000 if not flag else None)
    path = write_pages(tmp_path / "a.tif", [Page(pixels, per_cm=20000), macro])
    assert levels_of(path) == {1: (480, 320)}
    found = inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)
    (note,) = found["notes"]
    assert note.endswith(
        ": pictures that are no levels of the slide are not read: 1, of 120 x 80 px"
    )


def test_a_second_scan_with_levels_gives_none(tmp_path):
    """Its pages are nearly as large as the slide's, and flagged and tagged as the slide's are."""
    pixels = drawn(320, 480)
    second = [
        Page(resized(MACRO, 320, 479), per_cm=20000),
        Page(resized(MACRO, 80, 120), reduced=True, per_cm=5000),
    ]
    path = write_pages(tmp_path / "a.tif", [*pyramid(pixels, 2, tags=True), *second])
    assert levels_of(path) == {1: (480, 320), 2: (240, 160)}
    require_right(path, pixels, 2, 4)


@pytest.mark.parametrize("tiled", [True, False])
def test_the_slide_is_the_largest_picture(tmp_path, tiled):
    """A thumbnail that comes first, in tiles or strips, is not the slide; a level it may be."""
    pixels = drawn(320, 480)
    thumbnail = Page(reduced(pixels, 4), tiled=tiled)
    path = write_pages(tmp_path / "a.tif", [thumbnail, *pyramid(pixels, 2)])
    assert levels_of(path) == {1: (480, 320), 2: (240, 160)} | ({4: (120, 80)} if tiled else {})
    require_right(path, pixels, 2, 4)


def test_a_largest_picture_that_cannot_be_read_is_refused(tmp_path):
    """The smaller one before it is never read in its place."""
    pixels = drawn(320, 480)
    small = reduced(pixels, 4)
    in_strips, of_four = Page(pixels, tiled=False), Page(np.dstack([pixels, pixels])[..., :4])
    for pages in ([Page(small), of_four], [Page(small, tiled=False), in_strips]):
        path = write_pages(tmp_path / "a.tif", pages)
        with pytest.raises(InputError, match=r"^slide a: the largest picture of .*, 480 x 320 px"):
            Slide(path, name="a", spacing_um=0.5)


def test_only_pictures_under_the_slide_are_levels_of_an_ome_tiff(tmp_path):
    """Other images of the file, here one of half the size, are other pictures."""
    pixels = drawn(320, 480)
    pages = pyramid(pixels, 4)
    pages[1].under = True
    pages.append(Page(reduced(pixels, 2)))
    path = tmp_path / "a.ome.tif"
    write_pages(path, pages, description=ome_description(480, 320).encode())
    assert levels_of(path) == {1: (480, 320), 4: (120, 80)}


def test_omes_first_page_tells_the_spacing_of_all(tmp_path):
    """A macro is first, as in OME-TIFFs of SCN; the slide's page has no description of its own."""
    macro, slide = ome_description(120, 80, x_um="9", y_um="9"), ome_description(480, 320)
    text = macro.replace("</OME>", slide[slide.index("<Image") :])
    pages = [Page(resized(MACRO, 80, 120)), Page(drawn(320, 480))]
    path = write_pages(tmp_path / "a.ome.tif", pages, description=text.encode())
    with Slide(path, name="a") as opened:
        assert (opened.size_px, opened.spacing_um) == ((480, 320), 0.5)


def test_a_mask_is_no_picture(tmp_path):
    """Larger than the slide, and flagged as GDAL flags it: which px of another page hold data."""
    path = write_pages(tmp_path / "a.tif", [Page(drawn(320, 480))])
    with tifffile.TiffWriter(path, append=True) as tiff:
        mask = np.zeros((640, 960), bool)
        tiff.write(mask, tile=(64, 64), photometric="minisblack", metadata=None, subfiletype=4)
    assert levels_of(path) == {1: (480, 320)}


def test_a_level_that_shows_nothing_is_left_out(tmp_path):
    """Of white glass alone nobody can tell where it lies, unless tags do."""
    white = np.full((320, 480, 3), 244, np.uint8)
    assert levels_of(write_pages(tmp_path / "a.tif", pyramid(white, 4))) == {1: (480, 320)}
    told = write_pages(tmp_path / "b.tif", pyramid(white, 4, tags=True))
    assert list(levels_of(told)) == [1, 4]


def test_a_level_with_a_broken_tile_is_judged_by_others(tmp_path):
    """A tile that cannot be decoded says nothing of the level."""
    pixels = drawn(320, 480)
    path = write_pages(tmp_path / "a.tif", pyramid(pixels, 2))
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[1]
        richest = int(np.argmax(page.databytecounts))
        offset, count = page.dataoffsets[richest], page.databytecounts[richest]
    content = bytearray(path.read_bytes())
    content[offset : offset + count] = bytes(count)
    path.write_bytes(content)
    assert list(levels_of(path)) == [1, 2]


def test_a_picture_that_is_the_slides_only_in_part_is_no_level(tmp_path):
    """One window that does not fit is enough, however many others do."""
    pixels = drawn(320, 480)
    half = reduced(pixels, 2).copy()
    half[80:, 120:] = resized(MACRO, 80, 120)
    path = write_pages(tmp_path / "a.tif", [*pyramid(pixels), Page(half, True)])
    assert levels_of(path) == {1: (480, 320)}


@pytest.mark.parametrize("is_padded", [True, False])
def test_levels_of_dicom(tmp_path, is_padded):
    """As Philips pads them, and as others round them down: at their place, and not blurred."""
    pixels = drawn(448, 896) if is_padded else drawn(449, 899)
    for number, by in enumerate((1, 2, 4)):
        level = reduced(pixels, by)
        level = padded(level, 64) if is_padded and number else level
        options = {"spacing_um": 0.5 * by, "tile_px": 64, "number": number}
        write_dicom_level(tmp_path / f"{number}.dcm", level, **options)
    path = tmp_path / "0.dcm"
    with openslide.OpenSlide(path) as slide:
        assert not slide.level_downsamples[2].is_integer()
    assert [*levels_of(path)] == [1, 2, 4]
    require_right(path, pixels, 2, 4, 16)
    with Slide(path, name="a") as slide:
        assert slide.spacing_um == pytest.approx(0.5)
        for scale in (2, 4):
            read = slide.read(260, 132, 100, 70, scale=scale).astype(int)
            expected = reduced(pixels[132:, 260:], scale)[:70, :100]
            assert np.abs(read - expected).max() <= 1


@pytest.mark.parametrize(("number", "n_notes"), [(0, 0), (1, 1)])
def test_dicom_whose_finest_level_is_resampled_has_a_note(tmp_path, number, n_notes):
    """Level 0 may not have been copied: then px of annotations are not those of this level."""
    options = {"spacing_um": 1.0, "tile_px": 64, "number": number}
    path = write_dicom_level(tmp_path / "a.dcm", drawn(320, 480), **options)
    with Slide(path, name="a") as slide:
        assert (
            sum("its finest level says that it is resampled" in n for n in slide.notes) == n_notes
        )


def test_philips_as_openslide_places_it(tmp_path):
    """Its description says the spacing of each level, padded as they are."""
    pixels = drawn(448, 896)
    pages = pyramid(pixels, 2, 4)
    for page in pages[1:]:
        page.pixels = padded(page.pixels, 64)
    spacings = "".join(
        '<DataObject ObjectType="PixelDataRepresentation"><Attribute Name="DICOM_PIXEL_SPACING">'
        f'"{by / 2000}" "{by / 2000}"</Attribute></DataObject>'
        for by in (1, 2, 4)
    )
    text = (
        '<DataObject ObjectType="DPUfsImport"><Attribute Name="PIM_DP_SCANNED_IMAGES"><Array>'
        '<DataObject><Attribute Name="PIM_DP_IMAGE_TYPE">WSI</Attribute>'
        '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE">'
        f"<Array>{spacings}</Array></Attribute></DataObject></Array></Attribute></DataObject>"
    )
    path = write_pages(tmp_path / "a.tiff", pages, software="Philips", description=text)
    assert openslide.OpenSlide.detect_format(path) == "philips"
    assert levels_of(path) == {1: (896, 448), 2: (448, 224), 4: (224, 112)}
    require_right(path, pixels, 2, 4, 8)


def test_a_level_between_whole_downsamples_is_read_only_as_it_is(tmp_path):
    """A level of 2.5: its px are read at 2.5 and 5; for 4 and 8 those of level 0 are averaged."""
    pixels = drawn(400, 600)
    half = resized(pixels, 160, 240)
    path = write_pages(tmp_path / "a.tif", [Page(pixels, per_cm=20000), Page(half, True, 8000)])
    with Slide(path, name="a") as slide:
        assert slide.downsamples == [1, 2.5]
        assert [slide.level_for(scale) for scale in (2, 2.5, 4, 5, 8, 10)] == [0, 1, 0, 1, 0, 1]
        np.testing.assert_array_equal(slide.read(50, 25, 90, 70, scale=2.5), half[10:80, 20:110])
        np.testing.assert_array_equal(slide.read(0, 0, 75, 50, scale=8), reduced(pixels, 8))


@pytest.mark.parametrize(
    ("size", "options", "found"),
    [
        ((1024, 754), {}, [(4.0, (1024, 754))]),  # rounded down
        ((1025, 755), {}, [(4.0, (1025, 755))]),  # rounded up
        ((64, 47), {}, [(64.0, (64, 47))]),  # 63.6 to 65, but no pyramid has those
        ((1020, 751), {}, [(4099 / 1020, (1020, 751))]),
        ((1024, 700), {}, []),
        ((4099, 3019), {}, []),
        ((1024, 768), {"tile_px": (128, 128)}, [(4.0, (1024, 754))]),
        ((1024, 754), {"tagged": 4.001, "is_reduced": True}, [(4.0, (1024, 754))]),
        ((1280, 1024), {"tagged": 4.0, "tile_px": (256, 256)}, [(4.0, (1024, 754))]),
        ((1019, 754), {"tagged": 4.0, "is_reduced": True}, []),
        ((1024, 754), {"tagged": 40.0, "is_reduced": True}, [(4.0, (1024, 754))]),
    ],
)
def test_where_a_picture_may_lie(size, options, found):
    """By its size, to a px, as it may be padded, and as tags say, if its size can be that."""
    places = guess_places((4099, 3019), size, number=1, **options)
    assert [(place.downsample, place.size_px) for place in places] == [
        (pytest.approx(downsample), on_slide) for downsample, on_slide in found
    ]
    sure = options.get("is_reduced", False) and options.get("tagged") == 4.001
    assert all(place.is_certain == sure for place in places)


def test_whole_tiles_in_a_whole_ratio_are_not_certain():
    """A third of the slide's sides, or a fourth, padded."""
    how = {"number": 1, "tile_px": (512, 512), "is_reduced": True}
    places = guess_places((3072, 3072), (1024, 1024), **how)
    assert [place.downsample for place in places][:2] == [3, 4]
    assert not any(place.is_certain for place in places)
