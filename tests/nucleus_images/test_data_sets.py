"""Public sets of labelled nuclei, in files of their own layouts that the tests write."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
import tifffile
from PIL import Image
from scipy import ndimage
from skimage.draw import polygon2mask

from conftest import REAL_DATA, REPOSITORY
from microtome.errors import InputError
from microtome.io.tables import read_table
from microtome.nucleus_images import conversion, monuseg
from microtome.nucleus_images.content_checks import check_images
from microtome.nucleus_images.conversion import convert
from microtome.nucleus_images.crchistophenotypes import find_crchistophenotypes
from microtome.nucleus_images.dsb2018 import find_dsb2018
from microtome.nucleus_images.label_images import find_centroids, read_label_image
from microtome.nucleus_images.miccai2015 import find_miccai2015
from microtome.nucleus_images.monuseg import find_monuseg, paint_nuclei
from microtome.nucleus_images.pannuke import find_pannuke
from microtome.nucleus_images.sheet import LabelledImage, read_image_sheet

PINK = (230, 150, 190)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for a data set, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def read(find, folder, *, spacing_um=None, n_folds=2):
    """Convert a folder: what the sheet says, and the notes."""
    sources, faults = find(folder, spacing_um=spacing_um)
    rows, notes = convert(
        sources, faults, folder.with_name("files"), folder=folder, n_folds=n_folds, seed=0
    )
    sheet = folder.with_name("images.tsv")
    columns = list(rows[0])
    lines = ["\t".join(columns), *("\t".join(row[c] for c in columns) for row in rows)]
    sheet.write_text("\n".join(lines) + "\n")
    images = read_image_sheet(sheet)
    check_images(images, of="it")
    return {image.name: image for image in images}, notes


def told(find, folder, *, spacing_um=None) -> list[str]:
    """The lines in which a folder is refused, without its name; nothing is written."""
    with pytest.raises(InputError) as error:
        read(find, folder, spacing_um=spacing_um)
    assert not folder.with_name("files").exists()
    first, *others = str(error.value).replace(f"{folder}/", "").splitlines()
    return [line.strip() for line in others] or [first.removeprefix(f"{folder}: ")]


def labels_of(image: LabelledImage) -> np.ndarray:
    """The labels that were written beside the sheet."""
    return read_label_image(image.labels, about="it")


@pytest.mark.parametrize("module", [conversion, monuseg])
def test_examples(module):
    """The examples of docstrings give what they say."""
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def write_crc(folder, number: int, **points) -> None:
    """An image of CRCHistoPhenotypes with a MATLAB file for each kind of points."""
    (folder / f"img{number}").mkdir()
    Image.new("RGB", (50, 40), PINK).save(folder / f"img{number}" / f"img{number}.bmp")
    for kind, found in points.items():
        path = folder / f"img{number}" / f"img{number}_{kind}.mat"
        scipy.io.savemat(path, {"detection": np.array(found, float)})


def test_crchistophenotypes_for_detection(folder):
    """MATLAB counts px from 1 and has their centres there; 0.55 µm per px; two folds."""
    for number, points in ((1, [[1, 1], [10.5, 20]]), (2, np.empty((0, 0))), (10, [[50, 40]])):
        write_crc(folder, number, detection=points)
    write_crc(folder, 4, detection=[[3, 3], [7, 8], [3, 3]])
    images, notes = read(find_crchistophenotypes, folder)
    assert list(images) == ["img1", "img2", "img4", "img10"]
    assert {image.spacing_um for image in images.values()} == {0.55}
    np.testing.assert_allclose(images["img1"].read_points() / 0.55, [(0.5, 0.5), (10, 19.5)])
    assert len(images["img2"].read_points()) == 0
    assert len(images["img4"].read_points()) == 2
    assert notes == ["img4: 1 nuclei are there twice and count once"]
    assert sorted(image.fold for image in images.values()) == [1, 1, 2, 2]
    assert images["img1"].path == (folder / "img1" / "img1.bmp").relative_to(folder.parent)


def test_crchistophenotypes_for_classification(folder):
    """Each point has the class of its file."""
    for number in (1, 2):
        write_crc(
            folder,
            number,
            epithelial=[[3, 4]],
            fibroblast=[],
            inflammatory=[[5, 6], [7, 8]],
            others=[[9, 9]],
        )
    images, _ = read(find_crchistophenotypes, folder)
    assert images["img2"].read_classes() == ["epithelial", "inflammatory", "inflammatory", "others"]
    np.testing.assert_allclose(images["img2"].read_points()[1] / 0.55, (4.5, 5.5))


def test_faults_of_crchistophenotypes_are_told_at_once(folder):
    """A file that is missing, of MATLAB 7.3, of no points, cut off; a point outside its image."""
    write_crc(folder, 1)
    write_crc(folder, 2, detection=[[51, 3]])
    write_crc(folder, 3, detection=[[1, 2, 3]])
    write_crc(folder, 4, detection=[[1, 2]])
    mat = folder / "img4" / "img4_detection.mat"
    mat.write_bytes(mat.read_bytes()[:150])
    write_crc(folder, 5, detection=[[1, 2]])
    (folder / "img5" / "img5_detection.mat").write_bytes(b"MATLAB 7.3 MAT-file" + bytes(200))
    write_crc(folder, 6)
    scipy.io.savemat(folder / "img6" / "img6_detection.mat", {"centres": [[1, 2]]})
    write_crc(folder, 7, detection=[[1, 2]])
    (folder / "img7" / "img7.bmp").unlink()
    lines = told(find_crchistophenotypes, folder)
    for line, said in zip(
        lines,
        [
            "img1.bmp has no img1_detection.mat beside it; copy it again",
            "img7/img7_detection.mat has no image img7.bmp beside it; copy it again",
            "img2: 1 nuclei lie outside the image of 50 x 40 px, the first at (50.5, 2.5)",
            "img3/img3_detection.mat: its variable detection, float64 of shape (1, 3), is no list",
            "img4/img4_detection.mat: cannot be read (",
            "img5/img5_detection.mat: is of MATLAB 7.3 (HDF5), which is not read; save it by",
            "img6/img6_detection.mat: has no variable detection; it is none of this data set",
        ],
        strict=True,
    ):
        assert line.startswith(said)


def test_both_folders_of_crchistophenotypes_at_once(folder):
    """They have the same images: one of them has to be named."""
    for kind in ("Detection", "Classification"):
        (folder / kind).mkdir()
        write_crc(folder / kind, 1)
    (line,) = told(find_crchistophenotypes, folder)
    assert line.startswith("has img1.bmp and others in several folders; name Detection, which")


def write_miccai(folder, name: str, labels: np.ndarray, magnification: str = "20x") -> None:
    """An image of MICCAI 2015, its labels as text and its line of the README."""
    Image.new("RGB", labels.shape[::-1], PINK).save(folder / f"{name}.png")
    Image.new("RGB", labels.shape[::-1], PINK).save(folder / f"{name}_poly.png")
    text = [f"{labels.shape[1]} {labels.shape[0]}", *map(str, labels.ravel())]
    (folder / f"{name}_mask.txt").write_text("\n".join(text) + "\n")
    with (folder / "README_training.txt").open("a") as file:
        file.write(f"{name}.png \t\t{magnification}\n")


def test_miccai2015_as_its_readme_describes_it(folder):
    """Width before height, px row by row; images of 40x have half the spacing of 20x."""
    example = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 0, 0], [1, 1, 2, 0, 0], [0, 2, 2, 2, 0]])
    write_miccai(folder, "image01", example)
    write_miccai(folder, "image08", example * 40, "40x")
    images, _ = read(find_miccai2015, folder, spacing_um=0.5)
    assert {name: image.spacing_um for name, image in images.items()} == {
        "image01": 0.5,
        "image08": 0.25,
    }
    np.testing.assert_array_equal(labels_of(images["image01"]), example)
    np.testing.assert_array_equal(labels_of(images["image08"]), example)
    np.testing.assert_allclose(
        images["image01"].read_points() / 0.5, find_centroids(example), atol=1e-4
    )


def test_faults_of_miccai2015_are_told_at_once(folder):
    """No labels, too few of them, words, an image that no README lists, no spacing."""
    for name in ("image01", "image02", "image03"):
        write_miccai(folder, name, np.ones((4, 5), int))
    (folder / "image01_mask.txt").unlink()
    (folder / "image02_mask.txt").write_text("5 4\n0\n1\n")
    (folder / "image03_mask.txt").write_text("5 4\n0\n-1\n")
    Image.new("RGB", (5, 4), PINK).save(folder / "image04.png")
    (folder / "image04_mask.txt").write_text("1 1\n0\n")
    lines = told(find_miccai2015, folder, spacing_um=0.5)
    assert [line[:60] for line in lines] == [
        "image01.png has no image01_mask.txt beside it; copy it again",
        "image04.png: no README here lists its magnification, as 'ima",
        "image02_mask.txt: says 5 x 4 px and has 2 labels; it is widt",
        "image03_mask.txt: has other words than whole numbers; it is ",
    ]
    with pytest.raises(InputError, match=r"not the µm per px at 20x; give it by --spacing$"):
        find_miccai2015(folder, spacing_um=None)


def write_monuseg(
    folder, name: str, rings, *, spacing: str = ' MicronsPerPixel="0.252000"'
) -> None:
    """An image of MoNuSeg and its outlines as ImageScope writes them."""
    for part in ("Tissue Images", "Annotations"):
        (folder / part).mkdir(exist_ok=True)
    pixels = np.full((40, 60, 3), PINK, np.uint8)
    tifffile.imwrite(folder / "Tissue Images" / f"{name}.tif", pixels, photometric="rgb")
    regions = "".join(
        f'<Region Id="{i}" Type="0" NegativeROA="0" Text=""><Attributes/><Vertices>'
        + "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in ring)
        + "</Vertices></Region>"
        for i, ring in enumerate(rings)
    )
    (folder / "Annotations" / f"{name}.xml").write_text(
        f'<Annotations{spacing}><Annotation Id="1" Name="" Type="4"><Attributes><Attribute'
        ' Name="Description" Id="0" Value=""/></Attributes><Regions><RegionAttributeHeaders/>'
        f"{regions}</Regions><Plots/></Annotation></Annotations>"
    )


def test_monuseg(folder):
    """Outlines become labels, the first has the px of both; spacing and patient are read."""
    square = [(2, 3), (12, 3), (12, 9), (2, 9)]
    write_monuseg(folder, "TCGA-18-5592-01Z-00-DX1", [square, [(10, 3), (20, 3), (20, 9), (10, 9)]])
    write_monuseg(folder, "TCGA-18-5592-01Z-00-DX2", [square, square, [(1, 1), (2, 2)]])
    write_monuseg(folder, "TCGA-A7-A13E-01Z-00-DX1", [])
    images, notes = read(find_monuseg, folder)
    first, second, third = images.values()
    assert [image.spacing_um for image in images.values()] == [0.252] * 3
    assert (first.patient, third.patient) == ("TCGA-18-5592", "TCGA-A7-A13E")
    assert first.fold == second.fold != third.fold
    expected = np.zeros((40, 60), int)
    expected[3:9, 10:20] = 2
    expected[3:9, 2:12] = 1
    np.testing.assert_array_equal(labels_of(first), expected)
    assert notes == ["TCGA-18-5592-01Z-00-DX2: 2 of 3 outlines hold no px of their own"]


def test_outlines_are_painted_as_scikit_image_does():
    """But for px whose centre an edge goes through, of which these have none."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        ring = 15 + rng.uniform(4, 14, (9, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
        painted, _ = paint_nuclei([ring], (30, 32))
        expected = polygon2mask((30, 32), ring[:, ::-1] - 0.5)
        np.testing.assert_array_equal(painted > 0, expected)


def test_faults_of_monuseg_are_told_at_once(folder):
    """Without outlines, image or spacing; outlines of another image; a document type."""
    square = [(2, 3), (12, 3), (12, 9)]
    write_monuseg(folder, "TCGA-1", [square])
    (folder / "Annotations" / "TCGA-1.xml").unlink()
    write_monuseg(folder, "TCGA-2", [square])
    (folder / "Tissue Images" / "TCGA-2.tif").unlink()
    write_monuseg(folder, "TCGA-3", [square], spacing="")
    write_monuseg(folder, "TCGA-4", [square, [(70, 3), (82, 3), (82, 9)]])
    write_monuseg(folder, "TCGA-5", [square])
    xml = folder / "Annotations" / "TCGA-5.xml"
    xml.write_text('<!DOCTYPE a [<!ENTITY b "c">]>' + xml.read_text())
    assert [line[:70] for line in told(find_monuseg, folder)] == [
        "Annotations/TCGA-2.xml has no image beside it",
        "Annotations/TCGA-3.xml does not say its MicronsPerPixel; give --spacin",
        "Tissue Images/TCGA-1.tif has no TCGA-1.xml; copy the folder Annotation",
        "Annotations/TCGA-4.xml: 1 of 2 outlines lie outside the image of 60 x ",
        "Annotations/TCGA-5.xml: declares a document type or entities, which ar",
    ]


def write_pannuke(folder, fold: int, masks: np.ndarray, types=("Breast", "Head&Neck")) -> None:
    """A fold of PanNuke in the folders of its archive, px and masks as floats."""
    images = np.full((len(masks), 256, 256, 3), PINK, np.float64)
    for part, name, array in (
        ("images", "images", images),
        ("images", "types", np.array(types)),
        ("masks", "masks", masks),
    ):
        place = folder / f"Fold {fold}" / part / f"fold{fold}"
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / f"{name}.npy", array)


def test_pannuke(folder):
    """Channels are classes, a px of two has the first; numbers begin anew; folds are its own."""
    masks = np.zeros((2, 256, 256, 6))
    masks[0, 10:20, 30:40, 4] = 7
    masks[0, 15:25, 30:40, 1] = 3
    masks[0, 100:104, 50:52, 1] = 900
    masks[..., 5] = 1
    write_pannuke(folder, 1, masks)
    write_pannuke(folder, 2, masks[1:], types=("Colon",))
    images, notes = read(find_pannuke, folder)
    assert list(images) == ["fold1_0001_Breast", "fold1_0002_Head-Neck", "fold2_0001_Colon"]
    assert [image.fold for image in images.values()] == [1, 1, 2]
    first = images["fold1_0001_Breast"]
    assert first.spacing_um == 0.25
    assert first.read_classes() == ["inflammatory", "inflammatory", "epithelial"]
    expected = np.zeros((256, 256), int)
    expected[10:20, 30:40] = 3
    expected[15:25, 30:40] = 1
    expected[100:104, 50:52] = 2
    np.testing.assert_array_equal(labels_of(first), expected)
    assert (first.read_pixels() == PINK).all()
    assert notes == ["fold1_0001_Breast: 50 px are of two nuclei; the first class counts"]


def test_faults_of_pannuke_are_told_at_once(folder):
    """Pickled objects are not loaded; another shape, a missing file, no fold."""
    masks = np.zeros((2, 256, 256, 6))
    write_pannuke(folder, 1, masks, types=np.array(["Breast", None], object))
    write_pannuke(folder, 2, masks[..., :5])
    write_pannuke(folder, 3, masks)
    (folder / "Fold 3" / "masks" / "fold3" / "masks.npy").unlink()
    write_pannuke(folder, 4, masks + 0.5)
    np.save(folder / "types.npy", np.array(["Breast"]))
    lines = told(find_pannuke, folder)
    assert lines[0].startswith("types.npy: lies in no folder 'fold1' or the like; say its fold so")
    assert lines[1].startswith("Fold 1/images/fold1/types.npy: cannot be read as an array of")
    assert "(2, 256, 256, 5), not (2, 256, 256, 6); download the fold again" in lines[2]
    assert lines[3] == "fold 3 lacks masks.npy; unpack all of it"
    assert lines[4] == "fold4_0001_Breast: its labels are no whole numbers from 0 to 2147483647"
    assert len(lines) == 6


def write_dsb(folder, name: str, masks, colour=(*PINK, 255)) -> None:
    """An image of stage1_train with a file for each nucleus."""
    for part in ("images", "masks"):
        (folder / name / part).mkdir(parents=True)
    Image.new("RGBA", (20, 16), colour).save(folder / name / "images" / f"{name}.png")
    for i, mask in enumerate(masks):
        Image.fromarray(mask).save(folder / name / "masks" / f"{i}.png")


def test_dsb2018_as_it_is_downloaded(folder):
    """Masks become labels; fluorescence is left out."""
    one, other = np.zeros((2, 16, 20), np.uint8)
    one[2:6, 3:9] = 255
    other[5:9, 3:9] = 255
    write_dsb(folder, "abc", [one, other])
    write_dsb(folder, "abd", [one])
    write_dsb(folder, "dark", [one], (0, 0, 0, 255))
    write_dsb(folder, "grey", [one], (190, 190, 190, 255))
    images, notes = read(find_dsb2018, folder, spacing_um=0.5)
    assert list(images) == ["abc", "abd"]
    assert images["abc"].spacing_um == 0.5
    np.testing.assert_array_equal(labels_of(images["abc"]), np.where(one, 1, np.where(other, 2, 0)))
    assert notes == ["abc: 6 px are of two nuclei; the first counts"]


def test_faults_of_dsb2018_are_told_at_once(folder):
    """Masks that are grey or of another size, no masks, no spacing."""
    write_dsb(folder, "abc", [np.full((16, 20), 128, np.uint8)])
    write_dsb(folder, "abd", [np.zeros((16, 20), np.uint8), np.zeros((16, 21), np.uint8)])
    write_dsb(folder, "abe", [])
    assert told(find_dsb2018, folder, spacing_um=0.5) == [
        "abe/images/abe.png has neither abe.png in labels nor a folder masks",
        "abc/masks/0.png: is no mask of 0 and 255 in one channel; copy it again",
        "abd/masks/1.png: has another size than the masks beside it; copy it again",
    ]
    with pytest.raises(InputError, match="states no µm per px, and has several; give it by --spac"):
        find_dsb2018(folder, spacing_um=None)


@pytest.mark.skipif(not REAL_DATA.exists(), reason="needs the shared data sets")
def test_real_images_of_dsb2018(folder):
    """Points are those of its table, half a px further, as labels are px of its images."""
    real = REAL_DATA / "nuclei_dsb2018"
    sources, faults = find_dsb2018(real, spacing_um=0.5)
    files = folder.with_name("files")
    rows, notes = convert(sources, faults, files, folder=real, n_folds=5, seed=0)
    assert (len(rows), notes) == (30, [])
    table = read_table(real / "nuclei.csv")
    for row in rows[:6]:
        given = [(float(r["x_px"]), float(r["y_px"])) for r in table if r["image"] == row["image"]]
        found = [(float(r["x_px"]), float(r["y_px"])) for r in read_table(row["nuclei"])]
        np.testing.assert_allclose(np.array(found) - 0.5, given, atol=0.01)
        labels = read_label_image(files / f"{row['image']}_labels.png", about="it")
        own = np.asarray(Image.open(real / "labels" / f"{row['image']}.png"))
        np.testing.assert_array_equal(labels > 0, own > 0)
        assert ndimage.label(labels > 0)[1] <= labels.max() == len(given)


def test_a_folder_without_images_of_the_set(folder):
    """An empty folder is refused."""
    for find in (find_crchistophenotypes, find_monuseg, find_pannuke):
        assert told(find, folder) == ["has no images of this data set; unpack it there"]


def test_the_command(folder):
    """It writes sheet and files, says how many, and what is wrong in one line."""
    for number in (1, 2, 3):
        write_crc(folder, number, detection=[[number, 2]])

    def run(*arguments):
        return subprocess.run(
            [sys.executable, REPOSITORY / "workflow_scripts" / "nucleus_sheet.py", *arguments],
            cwd=folder.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("crchistophenotypes", "set", "images.tsv", "--folds", "3")
    assert done.stdout == "images.tsv: 3 images (1 in fold 1, 1 in fold 2, 1 in fold 3), 0 notes\n"
    images = read_image_sheet(folder.parent / "images.tsv")
    assert images[0].nuclei.read_text() == "x_px,y_px\n0.5,1.5\n"
    assert images[0].nuclei.parent.name == "images_files"
    again = run("crchistophenotypes", "set", "images.tsv")
    assert again.returncode == 1
    assert again.stderr == "images.tsv: is there already; remove it or give another name\n"
