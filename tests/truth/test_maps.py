"""The ground truth of a slide, its bands and its checks."""

import itertools
import json
import tracemalloc

import numpy as np
import pytest
import tifffile

from microtome.errors import InputError
from microtome.rasters import mask_tiff
from microtome.truth.checks import TruthCheck
from microtome.truth.maps import merge_labels, open_truth

CLASSES = {"viable": ["viable"], "whole": ["whole"], "hole": ["hole"]}

LAYOUTS = {
    "tiles": {"tile": (32, 16), "compression": "deflate"},
    "strips": {"rowsperstrip": 7, "compression": "lzw"},
    "rows": {"rowsperstrip": 1, "compression": "zstd"},
    "one strip": {"rowsperstrip": 500, "compression": "deflate", "predictor": True},
    "plain": {},
    "plain tiles": {"tile": (16, 16)},
    "jpeg 2000": {"tile": (64, 64), "compression": "jpeg2000"},
    "bigtiff": {"tile": (48, 48), "compression": "packbits", "bigtiff": True, "byteorder": ">"},
}


def blobs(*, height: int = 131, width: int = 97, seed: int = 0) -> np.ndarray:
    """Draw a bool mask with coarse and fine parts."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.random((12, 12)) < 0.4, np.ones((12, 12), dtype=bool))[:height, :width]
    return coarse ^ (rng.random((height, width)) < 0.05)


def write(path, mask, *, value=1, **layout):
    """Write a mask TIFF."""
    tifffile.imwrite(path, mask.astype(np.uint8) * np.uint8(value), **layout)
    return path


def outline(low: float, high: float, name: str) -> dict:
    """Write a square on the diagonal as a feature of QuPath."""
    ring = [[low, low], [high, low], [high, high], [low, high], [low, low]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": name}},
    }


def annotate(path, *features: dict):
    """Write an annotation file."""
    path.write_text(json.dumps(list(features)))
    return path


def read_all(truth, scale: float, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Put the bands of a truth together."""
    height = truth.shape(scale)[0]
    bands = [truth.rows(row, min(n_rows, height - row), scale) for row in range(0, height, n_rows)]
    return tuple(np.vstack(part) for part in zip(*bands, strict=True))


def check(truth, scale: float = 1, **given):
    """Run the checks over all bands; give burden, notes and the areas of viable and whole."""
    found = TruthCheck(truth)
    found.add(*read_all(truth, scale, 10))
    return *found.result(**given), (found.viable_px, found.whole_px)


def open_given(*, size_px: tuple[int, int] = (97, 131), **given):
    """Open the truth of a slide of the size of `blobs`, unless told otherwise."""
    return open_truth(slide="s1", slide_size_px=size_px, classes=CLASSES, **given)


def open_masks(tmp_path, viable, whole=None, **options):
    """Open a truth of masks given as arrays."""
    masks = {"viable_mask": write(tmp_path / "viable.tif", viable)}
    if whole is not None:
        masks["whole_mask"] = write(tmp_path / "whole.tif", whole)
    height, width = viable.shape
    return open_given(**masks, **options, size_px=(width, height))


def disc(low: int, high: int, *, size: int = 40) -> np.ndarray:
    """Draw a square on the diagonal of a mask."""
    mask = np.zeros((size, size), dtype=bool)
    mask[low:high, low:high] = True
    return mask


def read_viable(path, n_rows: int = 50) -> np.ndarray:
    """Read a mask of the size of `blobs` at its own scale."""
    with open_given(viable_mask=path) as truth:
        return read_all(truth, 1, n_rows)[0]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_mask_is_sampled_at_centres(tmp_path, layout):
    """Every layout gives the mask's value under each centre, in bands and at scales in turn."""
    mask = blobs()
    path = write(tmp_path / "viable.tif", mask, value=255, **layout)
    with open_given(viable_mask=path) as truth:
        for scale, n_rows in itertools.product((2.0, 1, 2.04, 16), (1, 5, 1000)):
            rows = ((np.arange(np.ceil(131 / scale)) + 0.5) * scale).astype(int)
            columns = ((np.arange(np.ceil(97 / scale)) + 0.5) * scale).astype(int)
            # Beyond the edge there is no tumour.
            expected = np.pad(mask, 20)[np.ix_(rows + 20, columns + 20)]
            viable, whole = read_all(truth, scale, n_rows)
            assert truth.shape(scale) == expected.shape
            np.testing.assert_array_equal(viable, expected)
            assert not whole.any()
        assert not truth.has_whole


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("dtype", ["bool", ">u2", "float32"])
def test_masks_of_other_depths(tmp_path, compression, dtype):
    """Masks of one bit a pixel, of big-endian words and of floats are read."""
    mask, path = blobs(), tmp_path / "viable.tif"
    stored = mask.astype(dtype)
    tifffile.imwrite(path, stored, photometric="minisblack", compression=compression, byteorder=">")
    np.testing.assert_array_equal(read_viable(path), mask)


def test_pyramid_counts_as_its_first_level(tmp_path):
    """Of a pyramid in sub-images, level 0 is the mask."""
    mask, path = blobs(), tmp_path / "viable.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(mask.astype(np.uint8), subifds=1, tile=(32, 32), compression="deflate")
        tiff.write(mask[::2, ::2].astype(np.uint8), subfiletype=1, tile=(32, 32))
    np.testing.assert_array_equal(read_viable(path), mask)


def test_tiles_are_decoded_once(tmp_path, monkeypatch):
    """Reading in bands decodes every tile once, and no more than one row of tiles is kept."""
    mask = blobs()
    path = write(tmp_path / "viable.tif", mask, tile=(32, 16), compression="deflate")
    decoded = []
    decode = mask_tiff.MaskTiff._decode

    def count(self, index):
        decoded.append(index)
        return decode(self, index)

    monkeypatch.setattr(mask_tiff.MaskTiff, "_decode", count)
    with open_given(viable_mask=path) as truth:
        read_all(truth, 1.5, 3)
    assert decoded == list(range(5 * 7))


@pytest.mark.parametrize("layout", [{"tile": (256, 512), "compression": "deflate"}, {}])
def test_memory_is_a_band(tmp_path, layout):
    """Reading a mask of 36 Mpx in bands takes a fraction of its size in memory."""
    path = write(tmp_path / "viable.tif", np.ones((6000, 6000), dtype=bool), **layout)
    with open_given(viable_mask=path, size_px=(6000, 6000)) as truth:
        tracemalloc.start()
        assert all(truth.rows(row, 50, 4)[0].all() for row in range(0, 1500, 50))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < 4e6


def test_huge_mask_is_never_loaded(tmp_path):
    """A mask of 200,000 x 200,000 px, of which the file holds one tile, is read in bands."""
    path = tmp_path / "viable.tif"
    zeros = np.zeros((8192, 8192), dtype=np.uint8)
    zeros[0, 0] = 1
    # Tiles that are given as None are left out of the file.
    tiles = iter([zeros] + [None] * (25 * 25 - 1))
    layout = {"shape": (200_000, 200_000), "tile": zeros.shape, "compression": "deflate"}
    tifffile.imwrite(path, tiles, dtype=np.uint8, **layout)
    with open_given(viable_mask=path, size_px=(200_000, 200_000)) as truth:
        assert np.count_nonzero(truth.rows(0, 4, 1)[0]) == 1
        assert not truth.rows(3120, 5, 64.0)[0].any()


def test_annotation_by_hand(tmp_path):
    """Labels 0, 1 and 2 of outlines, a hole and an island in it, at 2 px per pixel."""
    path = annotate(
        tmp_path / "a.json",
        outline(4, 16, "viable"),
        outline(6, 14, "hole"),
        outline(8, 10, "viable"),
        outline(0, 18, "whole"),
    )
    with open_given(annotation=path, size_px=(19, 21)) as truth:
        assert truth.shape(2) == (11, 10)
        assert truth.has_whole
        labels = merge_labels(*truth.rows(0, 11, 2))
        burden, notes, areas_px = check(truth, 2)
    assert labels.dtype == np.uint8
    assert labels.diagonal().tolist() == [1, 1, 2, 1, 2, 1, 1, 2, 1, 0]
    # Viable: 36 - 16 + 1 pixels of 2 px, whole: 81.
    assert json.dumps(areas_px) == "[21, 81]"
    assert burden == pytest.approx(21 / 81)
    assert notes == []


def test_centres_beyond_the_slide_are_no_tumour(tmp_path):
    """The last pixel, of which the slide covers less than half, stays empty."""
    path = annotate(tmp_path / "a.json", outline(0, 101, "viable"))
    with open_given(annotation=path, size_px=(100, 100)) as truth:
        viable, _ = truth.rows(0, 34, 3)
        assert viable.shape == (34, 34)
        assert viable[:33, :33].all()
        assert not viable[33].any()
        assert not viable[:, 33].any()
        assert not truth.rows(40, 2, 3)[0].any()


def test_masks_win(tmp_path):
    """What a mask gives is not taken from the annotation, the rest is."""
    drawn = annotate(tmp_path / "a.json", outline(0, 5, "viable"), outline(0, 30, "whole"))
    unused = annotate(tmp_path / "b.json", outline(900, 999, "of another slide"))
    whole = write(tmp_path / "w.tif", disc(0, 40))
    for truth, areas_px in (
        (open_masks(tmp_path, disc(10, 20), annotation=drawn), (100, 900)),
        (open_masks(tmp_path, disc(10, 20), disc(0, 40), annotation=unused), (100, 1600)),
        (open_given(annotation=drawn, whole_mask=whole, size_px=(40, 40)), (25, 1600)),
    ):
        with truth:
            assert check(truth)[2] == areas_px


def test_burden(tmp_path):
    """Viable over whole, if that is known; a given one is compared."""
    with open_masks(tmp_path, disc(10, 20), disc(5, 25)) as truth:
        assert check(truth)[0] == 0.25
        assert check(truth, given_burden=0.26)[1] == []
        for given_burden in (0.22, 0.28):
            _, (note,), _ = check(truth, given_burden=given_burden)
            assert f"given burden is {given_burden:.3f}, that of the truth 0.250" in note
    with open_masks(tmp_path, disc(10, 20)) as truth:
        assert check(truth, given_burden=0.5)[:2] == (None, [])
        _, (note,), _ = check(truth, given_burden=0)
        assert "given burden is 0.000, but the truth holds 100 px of viable tumour" in note
    with open_masks(tmp_path, disc(0, 0)) as truth:
        assert (
            "given burden is 0.400, but the truth holds 0 px"
            in check(truth, given_burden=0.4)[1][1]
        )


def test_empty_truth_is_noted(tmp_path):
    """No tumour at all is possible, and said."""
    with open_masks(tmp_path, disc(0, 0), disc(0, 0)) as truth:
        burden, notes, _ = check(truth)
    assert burden is None
    assert ["no viable" in notes[0], "no whole" in notes[1]] == [True, True]
    with open_given(annotation=annotate(tmp_path / "a.json"), size_px=(40, 40)) as truth:
        _, notes, _ = check(truth)
    assert ["free of tumour" in notes[0], "no viable" in notes[1]] == [True, True]


@pytest.mark.parametrize("label", ["itc", "micro", "macro"])
def test_a_label_of_tumour_needs_tumour(tmp_path, label):
    """Viable or whole tumour will do; a truth without any is refused, and what to do is said."""
    for masks in ((disc(10, 20),), (disc(0, 0), disc(10, 20))):
        with open_masks(tmp_path, *masks) as truth:
            check(truth, label=label)
    for truth in (
        open_masks(tmp_path, disc(0, 0)),
        open_given(annotation=annotate(tmp_path / "a.json"), size_px=(40, 40)),
    ):
        with (
            truth,
            pytest.raises(InputError, match=f"s1: its label is {label}.* no px.*; correct the"),
        ):
            check(truth, label=label)


@pytest.mark.parametrize("masks", [(disc(10, 20),), (disc(0, 0), disc(10, 20))])
def test_a_negative_slide_has_no_tumour(tmp_path, masks):
    """Neither viable nor whole tumour may be on it."""
    with (
        open_masks(tmp_path, *masks) as truth,
        pytest.raises(InputError, match=r"s1: its label is negative.* holds 100 px of tumour"),
    ):
        check(truth, label="negative")


def test_an_empty_truth_of_a_negative_slide_is_as_it_should_be(tmp_path):
    """Nothing is noted, and the burden is 0; a given one says otherwise, and is told."""
    with open_masks(tmp_path, disc(0, 0), disc(0, 0)) as truth:
        assert check(truth, label="negative")[:2] == (0.0, [])
        _, (note,), _ = check(truth, label="negative", given_burden=0.4)
    assert note == "slide s1: the given burden is 0.400, that of the truth 0.000"


@pytest.mark.parametrize(
    ("viable", "whole", "line"),
    [
        (disc(5, 25), disc(10, 20), "slide s1: viable and whole masks look swapped"),
        (disc(10, 30), disc(15, 40), r"43\.75% of the viable tumour lies outside"),
        (disc(10, 30), disc(0, 0), r"100\.00% of the viable tumour lies outside"),
    ],
)
def test_masks_that_do_not_fit(tmp_path, viable, whole, line):
    """Whole inside viable means an exchange; viable outside of whole is refused with its share."""
    with (
        open_masks(tmp_path, viable, whole) as truth,
        pytest.raises(InputError, match=line),
    ):
        check(truth)


def test_a_little_outside_is_no_mistake(tmp_path):
    """Up to 0.1 % of the viable tumour may lie outside the whole: here 1 px of 1600."""
    viable = disc(0, 40)
    whole = viable.copy()
    whole[0, 0] = False
    with open_masks(tmp_path, viable, whole) as truth:
        assert check(truth)[0] == pytest.approx(1600 / 1599)


def test_mask_of_another_size(tmp_path):
    """A mask that has not the slide's size is refused at once, with both sizes."""
    small = write(tmp_path / "small.tif", np.zeros((90, 100), dtype=bool))
    right = write(tmp_path / "right.tif", blobs())
    with pytest.raises(InputError) as caught:
        open_given(viable_mask=small)
    assert str(caught.value) == (
        f"slide s1: viable mask {small} is 100 x 90 px, the slide is 97 x 131 px"
    )
    with pytest.raises(InputError, match=r"slide s1: whole mask .* is 100 x 90 px"):
        open_given(viable_mask=right, whole_mask=small)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(
    ("values", "message"),
    [((0, 3), "the value 3;"), ((1, 255), "the value 255 beside 1"), ((255, 7), "7 beside 255")],
)
def test_strange_values(tmp_path, layout, values, message):
    """A value other than 0 and 1, or 0 and 255, is refused when its row is read."""
    mask = np.zeros((131, 97), dtype=np.uint8)
    mask[:40], mask[100:] = values
    path = tmp_path / "viable.tif"
    tifffile.imwrite(path, mask, **layout)
    with pytest.raises(InputError, match=message):
        read_viable(path)


def test_files_that_are_no_masks(tmp_path, monkeypatch):
    """Text, colours with alpha and single huge strips are refused with one line."""
    path = tmp_path / "viable.tif"
    path.write_text("no TIFF")
    with pytest.raises(InputError, match="is no TIFF or is damaged"):
        open_given(viable_mask=path)
    tifffile.imwrite(path, np.zeros((131, 97, 4), dtype=np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="one channel"):
        open_given(viable_mask=path)
    write(path, blobs(), rowsperstrip=131, compression="deflate")
    monkeypatch.setattr(mask_tiff, "MAX_SEGMENT_PX", 1000)
    with pytest.raises(InputError, match="write it in tiles"):
        open_given(viable_mask=path)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_truncated_masks(tmp_path, layout):
    """However short a file is cut, reading it gives one line or what was written."""
    mask = blobs()
    path = write(tmp_path / "viable.tif", mask, **layout)
    data = path.read_bytes()
    for length in {*range(0, len(data), len(data) // 40), 4, 9, 300, len(data) - 1}:
        path.write_bytes(data[:length])
        try:
            viable = read_viable(path)
        except InputError:
            continue
        np.testing.assert_array_equal(viable, mask)


def test_annotation_of_another_slide(tmp_path):
    """Outlines wholly or far outside the slide are refused, a small overhang is noted."""
    size_px = (1000, 2000)
    path = tmp_path / "a.json"
    for low, high in ((1001, 1005), (-5, -1), (900, 1011), (-11, 20)):
        annotate(path, outline(10, 20, "viable"), outline(low, high, "viable"))
        with pytest.raises(InputError, match=r"slide s1: .*annotation of another slide\?"):
            open_given(annotation=path, size_px=size_px)
    annotate(path, outline(-9, 20, "viable"), outline(900, 1000, "viable"))
    with open_given(annotation=path, size_px=size_px) as truth:
        (note,) = truth.notes
        assert "1 outlines reach" in note
        assert check(truth)[1] == [note]


@pytest.mark.parametrize("given", [{}, {"whole_mask": "whole.tif"}])
def test_nothing_given(given):
    """A slide with a whole mask only, or with nothing, has no truth."""
    with pytest.raises(InputError, match="slide s1: nothing tells"):
        open_given(**given)
