"""Sheets of labelled images: every mistake is told, and what is named is read at any spacing."""

import doctest

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.measure import regionprops
from skimage.transform import downscale_local_mean

from microtome.errors import InputError
from microtome.nucleus_images import label_images, pixels, point_tables, sheet
from microtome.nucleus_images.content_checks import check_images
from microtome.nucleus_images.image_rows import load_image_rows, read_image_rows
from microtome.nucleus_images.label_images import find_centroids, read_label_image
from microtome.nucleus_images.pixels import read_image, resample_pixels, scale_shape
from microtome.nucleus_images.sheet import LabelledImage, load_image_sheet, read_image_sheet
from microtome.rasters.resampling import resample

ABOUT = "image a: a.png"


def noise(height: int, width: int) -> np.ndarray:
    """Pink noise that could be H&E."""
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers((150, 80, 120), (255, 200, 240), (height, width, 3)).astype(np.uint8)


def write_sheet(folder, text: str):
    """Write cells with blanks between them as a sheet."""
    path = folder / "images.tsv"
    path.write_text("\n".join("\t".join(line.split()) for line in text.strip().splitlines()) + "\n")
    return path


def messages(error) -> list[str]:
    """The lines of an error without what they begin with."""
    first, *others = str(error.value).splitlines()
    return [line.strip() for line in others] or [first.partition(".tsv: ")[2]]


@pytest.mark.parametrize("module", [sheet, pixels, label_images, point_tables])
def test_examples(module):
    """The examples of docstrings give what they say."""
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two images, points of one and labels of both."""
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Image.fromarray(noise(20, 30)).save(f"{name}.png")
        labels = np.zeros((20, 30), np.uint16)
        labels[2:6, 3:9], labels[10:12, 20:21] = 1, 400
        Image.fromarray(labels).save(f"{name}_labels.png")
    (tmp_path / "a.csv").write_text("x_px,y_px,class\n6,4,round\n20.5,11,\n")
    return tmp_path


def test_a_row_becomes_an_image(folder):
    """Each column is a field; a sheet that was checked is loaded to the same."""
    path = write_sheet(
        folder,
        """
        image path spacing_um patient fold nuclei labels attributes
        a a.png 0.25 p1 1 a.csv a_labels.png round;lymphocyte
        b b.png 0.5 p2 2
        """,
    )
    first, second = read_image_sheet(path)
    assert load_image_sheet(path) == [first, second]
    assert (first.name, first.spacing_um, first.patient, first.fold) == ("a", 0.25, "p1", 1)
    assert first.attributes == ("round", "lymphocyte")
    assert (second.nuclei, second.labels, second.split, second.splits) == (None,) * 4
    assert second.attributes == ()
    assert read_image_rows(path) == load_image_rows(path)
    check_images([first, second], of="it")


def test_repeated_splits(folder):
    """A split for each repetition; without the column of attributes nothing is known of them."""
    path = write_sheet(
        folder,
        """
        image path spacing_um splits
        a a.png 0.25 train,test
        b b.png 0.25 test,train
        """,
    )
    first, second = read_image_sheet(path)
    assert (first.splits, second.splits) == (("train", "test"), ("test", "train"))
    assert first.attributes is None


def test_all_mistakes_of_a_sheet_are_told_at_once(folder):
    """Row and image, column, value and what to do."""
    path = write_sheet(
        folder,
        """
        image path spacing_um label split attributes
        a a.png 20 a_labels.png train x;x
        a a.png 0.5 a_labels.png val a/b
        c c.png 0,5 a_labels.png train x
        """,
    )
    with pytest.raises(InputError) as error:
        read_image_sheet(path)
    known = "image, path, spacing_um, patient, split, fold, splits, nuclei, labels, attributes"
    assert str(error.value).startswith(f"image sheet {path}: ")
    assert messages(error) == [
        "column 'label' is not known; did you mean labels?; take it out, or call it one of "
        + known,
        "row 2, image a: spacing_um: 20.0 is greater than the maximum of 2.5; it is µm per pixel",
        "row 2, image a: attributes: 'x;x' names one twice",
        "row 3, image a: split: 'val' is not one of ['train', 'validation', 'test']; did you mean"
        " validation?",
        "row 3, image a: is in row 2 already; give each image one row and its own id",
        "row 3, image a: attributes: 'a/b' is no name (letters, digits, _ -); put ; between"
        " attributes",
        "row 3, image a: path: the file a.png is the path of image a (row 2) too; each image has"
        " its own",
        "row 4, image c: spacing_um: '0,5' is no number; did you mean 0.5?",
        f"row 4, image c: path: the file c.png does not exist in {folder}",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image path\na a.png", "has no column 'spacing_um'"),
        ("image path spacing_um split fold\na a.png 0.5 test 1", "has the columns split and fold"),
        (
            "image path spacing_um splits\na a.png 0.5 train,test\nb b.png 0.5 train",
            "splits: has 1 splits, row 2 2; each image has one in every repetition",
        ),
        ("image path spacing_um splits\na a.png 0.5 train,tset", "'tset' is no split; they are"),
        ("image path spacing_um fold\na a.png 0.5 0", "0 is less than the minimum of 1"),
        (
            "image path spacing_um patient fold\na a.png 0.5 p 1\nb b.png 0.5 p 2",
            "patient p is in 2 here and in 1 in row 2; one patient's images share it",
        ),
        ("image path spacing_um labels\na a.png 0.5 a.png", "is the path of image a (row 2) too"),
    ],
)
def test_one_mistake_of_a_sheet(folder, text, said):
    """Each is one line."""
    with pytest.raises(InputError) as error:
        read_image_sheet(write_sheet(folder, text))
    (line,) = messages(error)
    assert said in line


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 7))
def test_a_whole_ratio_is_the_mean_of_whole_px(height, width, ratio):
    """That of scikit-image in the squares that fit, but for how Pillow rounds it."""
    image = noise(height, width)
    found = resample_pixels(image, ratio)
    assert found.shape == (*scale_shape(image.shape, ratio), 3)
    rows, columns = height // ratio, width // ratio
    whole = image[: rows * ratio, : columns * ratio]
    if whole.size:
        expected = downscale_local_mean(whole.astype(float), (ratio, ratio, 1))
        assert np.abs(found[:rows, :columns] - expected).max() < 0.6


@given(st.floats(0.3, 4.0), st.integers(30, 60))
def test_a_mark_stays_in_its_place(ratio, side):
    """A ramp from left to right has at each px the value of its place, in µm, at any ratio."""
    ramp = np.repeat((np.arange(side) * 4)[None, :, None], 3, axis=2).astype(np.uint8)
    found = resample_pixels(np.repeat(ramp, 20, axis=0), ratio)
    centre = (np.arange(found.shape[1]) + 0.5) * ratio - 0.5  # in px of the ramp
    inner = (centre > ratio) & (centre < side - 1 - ratio)
    assert np.abs(found[0, inner, 0] - 4 * centre[inner]).max(initial=0) <= 1


@given(st.floats(0.3, 4.0), st.integers(1, 50), st.integers(1, 50))
def test_pixels_and_labels_have_one_size_at_any_spacing(ratio, height, width):
    """So large that every point of the image lies on them, and no row more."""
    found = resample_pixels(noise(height, width), ratio)
    labels = resample(np.ones((height, width), np.int32), found.shape[:2], ratio=ratio)
    assert labels.shape == found.shape[:2]
    assert (labels == 1).all()
    for side, n in zip((height, width), labels.shape, strict=True):
        assert n == 1 or (n - 1) * ratio < side <= n * ratio + 1e-5


def test_labels_at_a_finer_and_a_coarser_spacing_are_the_nearest(folder):
    """Each px has the label under its centre."""
    image = LabelledImage("a", folder / "a.png", 0.5, labels=folder / "a_labels.png")
    whole = image.read_labels()
    np.testing.assert_array_equal(image.read_labels(0.25), whole.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(image.read_labels(1.0), whole[1::2, 1::2])
    assert image.read_labels(0.33).shape == image.read_pixels(0.33).shape[:2]


def test_points_are_the_tables_or_else_the_labels_centroids(folder):
    """In µm; a table has classes."""
    labels = folder / "a_labels.png"
    by_labels = LabelledImage("a", folder / "a.png", 0.5, labels=labels)
    np.testing.assert_allclose(by_labels.read_points(), [(3, 2), (10.25, 5.5)])
    assert by_labels.read_classes() == ["", ""]
    by_table = LabelledImage("a", folder / "a.png", 0.25, labels=labels, nuclei=folder / "a.csv")
    np.testing.assert_allclose(by_table.read_points(), [(1.5, 1), (5.125, 2.75)])
    assert by_table.read_classes() == ["round", ""]


def test_what_is_not_in_the_sheet_is_asked_for(folder):
    """Points and labels cannot be read of an image without them."""
    image = LabelledImage("a", folder / "a.png", 0.25)
    with pytest.raises(InputError, match=r"^image a: has no labels in the image sheet; add"):
        image.read_points()


@given(st.integers(0, 2**31 - 1))
def test_centroids_are_those_of_scikit_image(seed):
    """Half a px further: centres of px are at halves."""
    labels = np.random.default_rng(seed).integers(0, 5, (7, 9))
    expected = [region.centroid[::-1] for region in regionprops(labels)]
    np.testing.assert_allclose(find_centroids(labels), np.array(expected).reshape(-1, 2) + 0.5)


@pytest.mark.parametrize(
    ("dtype", "suffix"),
    [
        (np.uint8, "png"),
        (np.uint16, "png"),
        (np.uint8, "tif"),
        (np.uint16, "tif"),
        (np.int32, "tif"),
        (np.uint32, "tif"),
    ],
)
def test_labels_of_any_depth(tmp_path, dtype, suffix):
    """8, 16 and 32 bits in PNG and TIFF are the numbers that were written."""
    labels = np.array([[0, 1, 1], [200, 0, np.iinfo(dtype).max // 2]], dtype)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        Image.fromarray(labels).save(path)
    else:
        tifffile.imwrite(path, labels, photometric="minisblack")
    np.testing.assert_array_equal(read_label_image(path, about=ABOUT), labels)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((8, 9, 3), np.uint8), "has px of uint8 in the shape 8 x 9 x 3; instance labels"),
        (np.zeros((8, 9), np.float32), "has px of float32 in the shape 8 x 9; instance labels are"),
        (np.zeros((4, 8, 9), np.uint8), "in the shape 4 x 8 x 9; instance labels are whole"),
        (np.array([[0, -1]], np.int32), "has labels below 0 or above"),
        (np.array([[0, 2**31]], np.uint32), "has labels below 0 or above"),
        (np.array([[255, 0, 255]], np.uint8), "all of its 2 pieces have the number 255; give each"),
    ],
)
def test_labels_that_are_none(tmp_path, array, said):
    """RGB, float, stacks, negative numbers and masks are refused by name."""
    tifffile.imwrite(
        tmp_path / "a.tif",
        array,
        photometric="rgb" if array.shape[-1] == 3 and array.ndim == 3 else "minisblack",
    )
    with pytest.raises(InputError, match=said) as error:
        read_label_image(tmp_path / "a.tif", about=ABOUT)
    assert str(error.value).startswith(ABOUT)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"photometric": "miniswhite"}, "says that 0 is white, so some readers invert its numbers"),
        ({"extratags": [(274, 3, 1, 6, True)]}, "turned or mirrored \\(Orientation 6\\)"),
    ],
)
def test_labels_that_readers_disagree_on(tmp_path, settings, said):
    """Of inverted or turned labels none is guessed."""
    tifffile.imwrite(tmp_path / "a.tif", np.eye(9, dtype=np.uint8), **settings)
    with pytest.raises(InputError, match=said):
        read_label_image(tmp_path / "a.tif", about=ABOUT)


@pytest.mark.parametrize("mode", ["RGB", "P", "LA", "1"])
def test_png_labels_that_are_none(tmp_path, mode):
    """A PNG in colour, of a palette, with alpha or of one bit is refused by its mode."""
    Image.new(mode, (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=f"^image a: a.png has px in {mode}; instance labels are"):
        read_label_image(tmp_path / "a.png", about=ABOUT)


def test_labels_that_are_no_image(tmp_path):
    """Text, and a file cut off."""
    (tmp_path / "a.png").write_text("0 1")
    with pytest.raises(InputError, match=r"^image a: a\.png cannot be read"):
        read_label_image(tmp_path / "a.png", about=ABOUT)
    Image.fromarray(noise(50, 50)[..., 0]).save(tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:900])
    with pytest.raises(InputError, match=r"^image a: a\.png cannot be read"):
        read_label_image(tmp_path / "b.png", about=ABOUT)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image.new("L", (9, 9)), "has px of one grey channel; H&E is told from glass by"),
        (Image.new("RGB", (9, 9), (0, 0, 200)), "is no H&E: 100.0% of it is dark: fluorescence"),
        (Image.new("RGB", (9, 9), (99, 99, 99)), "is no H&E: its red, green and blue are equal"),
        (Image.new("CMYK", (9, 9)), "has px in"),
        (Image.fromarray(np.zeros((9, 9), np.uint16)), "has px of one grey channel"),
    ],
)
def test_images_that_are_no_h_and_e(tmp_path, image, said):
    """Grey, dark and colours without meaning are refused in one line that names the file."""
    image.save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=said) as error:
        read_image(tmp_path / "a.tif", about=ABOUT)
    assert str(error.value).startswith(ABOUT)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "jpg"])
def test_images_in_every_format(tmp_path, suffix):
    """PNG, TIFF and BMP give their px; JPEG nearly."""
    image = (
        noise(16, 16) // 16 * 16
        if suffix != "jpg"
        else np.full((16, 16, 3), (200, 90, 160), np.uint8)
    )
    Image.fromarray(image).save(tmp_path / f"a.{suffix}")
    found = read_image(tmp_path / f"a.{suffix}", about=ABOUT)
    far = np.abs(found.astype(int) - image).mean()
    assert far == 0 if suffix != "jpg" else far < 8


def test_alpha_is_laid_on_white(tmp_path):
    """A clear px is white, an opaque one as it is."""
    image = np.dstack([noise(8, 8), np.full((8, 8), 255, np.uint8)])
    image[0, 0, 3] = 0
    Image.fromarray(image).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png", about=ABOUT)
    assert found[0, 0].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(found[1:], image[1:, :, :3])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "x,y\n1,2\n",
            [
                "column 'x' is not known; it has x_px,y_px, and class if you have it",
                "column 'y'",
                "has no column 'x_px'",
                "has no column 'y_px'",
            ],
        ),
        (
            "x_px,y_px\n1,a\n2\n3,inf\n",
            [
                "line 2: ['1', 'a'] has no two numbers of px",
                "line 3: has 1 cells, the header 2",
                "line 4: ['3', 'inf']",
            ],
        ),
        ("x_px,y_px\n1,2\n3,4\n1,2.0\n", ["line 4: is the nucleus of line 2 again; take one out"]),
        ("", ["has no column 'x_px'", "has no column 'y_px'"]),
    ],
)
def test_tables_that_are_none(tmp_path, text, said):
    """Each mistake of a table of points is a line."""
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError) as error:
        point_tables.read_point_table(tmp_path / "a.csv", about="image a: a.csv")
    lines = str(error.value).removeprefix("image a: a.csv: ").splitlines()
    lines = lines[1:] if len(lines) > 1 else lines
    assert len(lines) == len(said)
    for line, part in zip(lines, said, strict=True):
        assert line.strip().startswith(part)


def test_an_image_without_nuclei(tmp_path):
    """A table with its header alone, in tabs."""
    (tmp_path / "a.tsv").write_text("x_px\ty_px\n")
    image = LabelledImage("a", tmp_path / "a.png", 0.5, nuclei=tmp_path / "a.tsv")
    assert image.read_points().shape == (0, 2)


def test_all_mistakes_of_the_files_are_told_at_once(folder):
    """Points outside their image, labels of another size, grey images and masks, a line each."""
    (folder / "a.csv").write_text("x_px,y_px\n30,20\n30.5,4\n-1,3\n")
    Image.fromarray(np.zeros((20, 31), np.uint8)).save("a_labels.png")
    Image.new("L", (30, 20)).save("b.png")
    Image.new("RGB", (30, 20)).save("b_labels.png")
    images = [
        LabelledImage("a", "a.png", 0.5, nuclei="a.csv", labels="a_labels.png"),
        LabelledImage("b", "b.png", 0.5, labels="b_labels.png"),
    ]
    images = [
        LabelledImage(
            i.name,
            folder / i.path,
            0.5,
            labels=folder / i.labels,
            nuclei=i.nuclei and folder / i.nuclei,
        )
        for i in images
    ]
    with pytest.raises(InputError) as error:
        check_images(images, of="image sheet i.tsv")
    first, *lines = str(error.value).replace(f"{folder}/", "").splitlines()
    assert first == "image sheet i.tsv: 4 mistakes"
    assert [line.strip()[:60] for line in lines] == [
        "image a: a.csv has 2 points outside the image of 30 x 20 px,",
        "image a: a_labels.png has 31 x 20 px, the image 30 x 20; giv",
        "image b: b.png has px of one grey channel (L); H&E is told f",
        "image b: b_labels.png has px in RGB; instance labels are who",
    ]
