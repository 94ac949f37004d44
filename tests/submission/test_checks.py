"""Whether a submission would be taken: each fault by itself in an otherwise sound one."""

import os
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.spoiled_files import layout_of, spoiled
from microtome.errors import InputError
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE
from microtome.submission.archive import write_archive
from microtome.submission.checks import check_submission, require_valid
from microtome.submission.files import (
    write_detections,
    write_mask_png,
    write_mask_tiff,
    write_predictions,
    write_probabilities,
    write_stages,
)

SIZES = {"a": (700, 600), "b": (40, 30)}
NODES = {"p1": ["p1_node_0", "p1_node_1"], "p2": ["p2_node_0", "p2_node_1", "p2_node_2"]}
CASES = {"paip2019": SIZES, "camelyon16": SIZES, "digestpath": SIZES, "camelyon17": NODES}


def sound(tmp_path: Path, challenge: str) -> Path:
    """Write a sound submission to a folder with the library's own writers."""
    folder = tmp_path / challenge
    folder.mkdir()
    if challenge == "camelyon17":
        classes = dict.fromkeys((node for nodes in NODES.values() for node in nodes), "negative")
        classes["p2_node_1"] = "macro"
        write_stages(folder / "submission.csv", {"p1": "pN0", "p2": "pN1"}, classes)
    elif challenge == "camelyon16":
        write_probabilities(folder / "probabilities.csv", {"a": 0.25, "b": 1e-9})
        write_detections(folder / "detections" / "a.csv", [(0.5, 699, 599), (1, 0, 0)])
        write_detections(folder / "detections" / "b.csv", [])
    else:
        is_paip = challenge == "paip2019"
        writer, suffix = (write_mask_tiff, ".tif") if is_paip else (write_mask_png, ".png")
        for case, (width, height) in SIZES.items():
            labels = np.zeros((height // 2, width // 2), np.uint8)
            labels[5:, 3:9] = VIABLE
            mask = Raster(labels, 2)
            writer(folder / f"{case}{suffix}", mask, size_px=(width, height), spacing_um=1)
        if is_paip:
            write_predictions(folder / "prediction.csv", {"a": 0.25, "b": 0})
    return folder


def pack(folder: Path) -> Path:
    """Pack a folder as it is."""
    members = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    write_archive(folder.with_suffix(".zip"), members)
    return folder.with_suffix(".zip")


def problems(tmp_path: Path, challenge: str, changes: dict[str, str | bytes]) -> list[str]:
    """Change files of a sound submission; folder and ZIP must be judged alike."""
    folder = sound(tmp_path, challenge)
    for name, content in changes.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    found = check_submission(challenge, folder, CASES[challenge])
    assert check_submission(challenge, pack(folder), CASES[challenge]) == found
    assert all("\n" not in line for line in found)
    return found


@pytest.mark.parametrize(
    ("challenge", "names"),
    [
        ("paip2019", ["a.tif", "b.tif", "prediction.csv"]),
        ("camelyon16", ["detections/a.csv", "detections/b.csv", "probabilities.csv"]),
        ("camelyon17", ["submission.csv"]),
        ("digestpath", ["a.png", "b.png"]),
    ],
)
def test_what_is_there_and_what_is_not(tmp_path, challenge, names):
    """What the library writes is sound; each missing file is named, and each that is too much."""
    assert problems(tmp_path, challenge, {}) == []
    folder, cases = tmp_path / challenge, CASES[challenge]
    require_valid(challenge, folder, cases)
    from_json = {case: list(found) for case, found in cases.items()}
    assert check_submission(challenge, folder, from_json) == []
    (folder / names[0]).unlink()
    for name in ("c.tif", ".DS_Store", "A.TIF"):
        (folder / name).touch()
    strange = (".DS_Store", "A.TIF", "c.tif")
    lines = [f"{name}: does not belong to {challenge}; take it out" for name in strange]
    lines.append(f"{names[0]}: is missing")
    assert check_submission(challenge, folder, cases) == lines
    assert check_submission(challenge, pack(folder), cases) == lines
    (folder / "a\x1b[2J\nb").touch()  # what is not printable does not reach the screen
    line = f"a [2J b: does not belong to {challenge}; take it out"
    assert line in check_submission(challenge, folder, cases)
    (tmp_path / "empty").mkdir()
    lines = [f"{name}: is missing" for name in names]
    assert check_submission(challenge, tmp_path / "empty", cases) == lines


def test_many_problems_are_counted(tmp_path):
    """Of one kind there are ten lines, and how many more; a long name is cut."""
    changes = {f"x{i:02}": b"" for i in range(25)}
    rows = [f"a,{i}" for i in range(101, 130)]
    changes["prediction.csv"] = "\n".join(["wsi_id,ratio", "b,0", *rows])
    found = problems(tmp_path, "paip2019", changes)
    assert found[9].startswith("x09: does not belong")
    assert found[10] == "and 15 more of this kind"
    assert found[11] == "prediction.csv: line 3: the ratio '101' is no number from 0 to 100"
    assert found[-1] == "prediction.csv: and 47 more of this kind"
    assert len(found) == 22
    (found,) = problems(tmp_path / "..", "paip2019", {"prediction.csv": "x" * 9999})
    assert found.startswith("prediction.csv: begins with 'xxx")
    assert found.endswith("xxx ...")
    assert len(found) == 304


def test_require_valid(tmp_path):
    """One line: the submission, the first problem and how many more there are."""
    with pytest.raises(InputError, match=rf"^{tmp_path}: submission\.csv: is missing$"):
        require_valid("camelyon17", tmp_path, NODES)
    with pytest.raises(InputError, match=rf"^{tmp_path}: a\.png: is missing \(and 1 more\)$"):
        require_valid("digestpath", tmp_path, SIZES)


def test_what_cannot_be_checked(tmp_path):
    """No submission and no ZIP are one line; an unknown challenge is the program's mistake."""
    missing = "is not there; give the submission's folder or ZIP"
    assert check_submission("paip2019", tmp_path / "gone", SIZES) == [missing]
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 and no more")
    (line,) = check_submission("paip2019", tmp_path / "a.zip", SIZES)
    assert line.startswith("is neither a folder nor a ZIP that can be read (")
    with pytest.raises(ValueError, match="'paip' is none of paip2019, camelyon16"):
        check_submission("paip", tmp_path, {})


# Challenge and table, its content, and the lines about it.
TABLES = [
    (
        "paip2019 prediction.csv",
        "\ufeffwsi_id,ratio\na,1\nb,2\n",
        ["begins with '\\ufeffwsi_id,ratio' and not with the columns wsi_id,ratio"],
    ),
    (
        "paip2019 prediction.csv",
        "wsi_id,ratio\nb,nan\n\na.tif,1\nb,1,2\nb,100.01\n",
        [
            "line 2: the ratio 'nan' is no number from 0 to 100",
            "line 3: has 0 cells and not 2",
            "line 4: 'a.tif' is none of the cohort",
            "line 5: has 3 cells and not 2",
            "line 6: b is there twice",
            "line 6: the ratio '100.01' is no number from 0 to 100",
            "lacks a",
        ],
    ),
    ("paip2019 prediction.csv", 'wsi_id,ratio\r\n"a",1e2\r\nb,+.5', []),
    (
        "camelyon16 probabilities.csv",
        "a.tif,1\na,-1\nb,0_1\n",
        [
            "line 2: a is there twice",
            "line 2: the probability '-1' is no number from 0 to 1",
            "line 3: the probability '0_1' is no number from 0 to 1",
        ],
    ),
    ("camelyon16 probabilities.csv", "Name,Probability\na.tif,1\nb,0\n", []),
    ("camelyon16 probabilities.csv", "", ["lacks a", "lacks b"]),
    (
        "camelyon16 detections/b.csv",
        "confidence,39,29\n1,39,29\n0,40,0\n0,0,30\n0.5,-1,0\n1,1.0,0\n1, 1,2\n1,2\n\n",
        [
            "line 1: the confidence 'confidence' is no number from 0 to 1",
            "line 3: x 40 is outside the slide's 40 px",
            "line 4: y 30 is outside the slide's 30 px",
            "line 5: x -1 is outside the slide's 40 px",
            "line 6: x '1.0' is no whole number of px",
            "line 7: x ' 1' is no whole number of px",
            "line 8: has 2 cells and not confidence,x,y",
            "line 9: has 0 cells and not confidence,x,y",
        ],
    ),
    ("camelyon17 submission.csv", "patient,stage\np1.zip,PN0(I+)\np2.zip,pn2\n", []),
    (
        "camelyon17 submission.csv",
        "patient,stage\np1.zip,pN3\np1.zip,pN0\np2,pN0\np1_node_0.tif,none\np1.zip\n",
        [
            "line 2: p1.zip has the stage 'pN3', which is none of pN0, pN0(i+), pN1mi, pN1, pN2",
            "line 3: p1.zip is there twice",
            "line 4: 'p2' is neither <patient>.zip nor <slide>.tif of the cohort",
            "line 5: p1_node_0.tif has the class 'none', which is none of"
            " negative, itc, micro, macro",
            "line 6: has 1 cells and not 2",
            "lacks p2.zip",
        ],
    ),
]


@pytest.mark.parametrize(("table", "content", "lines"), TABLES)
def test_tables(tmp_path, table, content, lines):
    """Every mistake of a table is one line, and what is odd but right is none."""
    challenge, name = table.split()
    found = problems(tmp_path, challenge, {name: content})
    assert found == [f"{name}: {line}" for line in lines]


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ({"p1_node_0": "Micro", "p1_node_1": "ITC", "p1": "pN1mi"}, None),
        ({"p1_node_0": "micro", "p1_node_1": "itc", "p1": "pN1"}, "pN1, and its nodes are pN1mi"),
        # One node of two has no row: what it holds may raise the stage, and never lower it.
        ({"p1_node_0": "itc", "p1": "pN1"}, None),
        ({"p1_node_0": "micro", "p1": "pN0(i+)"}, "pN0(i+), and its nodes are pN1mi"),
    ],
)
def test_nodes_agree_with_their_patient(tmp_path, rows, line):
    """The stage follows from the nodes by the challenge's rules."""
    names = {name: f"{name}.{'tif' if 'node' in name else 'zip'}" for name in rows}
    text = "".join(f"{names[name]},{value}\n" for name, value in rows.items())
    content = f"patient,stage\np2.zip,pN0\n{text}"
    found = problems(tmp_path, "camelyon17", {"submission.csv": content})
    assert found == ([f"submission.csv: p1.zip has the stage {line}"] if line else [])


@pytest.mark.parametrize("n_given", [10, 11])
def test_more_positive_nodes_than_the_challenge_knows(tmp_path, n_given):
    """Ten nodes with macro-metastases have no stage in CAMELYON17, so any is wrong."""
    nodes = [f"p_node_{i}" for i in range(11)]
    rows = "".join(f"{node}.tif,macro\n" for node in nodes[:n_given])
    (tmp_path / "submission.csv").write_text(f"patient,stage\np.zip,pN2\n{rows}")
    found = check_submission("camelyon17", tmp_path, {"p": nodes})
    assert found == ["submission.csv: p.zip has the stage pN2, and its nodes are pN3"]


@pytest.mark.parametrize("content", [b"\xff\xfewsi_id", b'wsi_id,ratio\n"a,1\n'])
def test_what_is_no_table(tmp_path, content):
    """Other text and a quote left open are one line."""
    (line,) = problems(tmp_path, "paip2019", {"prediction.csv": content})
    assert line.startswith("prediction.csv: is no CSV in UTF-8 (")


def test_a_long_cell_takes_no_time(tmp_path):
    """Numbers of a hundred thousand digits are judged, not computed with."""
    digits = "9" * 120_000
    lines = problems(tmp_path, "camelyon16", {"detections/b.csv": f"{digits}x,{digits},0\n"})
    assert [line[:45] for line in lines] == [
        "detections/b.csv: line 1: the confidence '999",
        "detections/b.csv: line 1: x 99999999999999999",
    ]


def test_too_large_a_table(tmp_path):
    """A table of more than 64 MB is not even read, packed or not."""
    found = problems(tmp_path, "camelyon17", {"submission.csv": bytes(2**26 + 1)})
    assert found == ["submission.csv: has 67108865 bytes, and needs no more than 67108864"]


def tiff(path: Path, pixels: np.ndarray, **options: object) -> bytes:
    """Write a TIFF that differs from a sound mask in its options."""
    sound_options = {"compression": "zlib", "photometric": "minisblack", "metadata": None}
    tifffile.imwrite(path, pixels, **sound_options | options)
    return path.read_bytes()


B = np.zeros((30, 40), np.uint8)
B[3:9, 20:] = 1


@pytest.mark.parametrize(
    ("pixels", "options", "wrong"),
    [
        (B, {"compression": "deflate"}, None),
        (B, {"predictor": True, "rowsperstrip": 7}, None),
        (B, {"bigtiff": True, "tile": (16, 16)}, None),
        (B * 255, {}, "holds the value 255; a mask is 0 and 1"),
        (B + np.uint8(1), {"rowsperstrip": 4}, "holds the value 2; a mask is 0 and 1"),
        (B.T, {}, "has 30 x 40 px, and the slide 40 x 30"),
        (B[..., None].repeat(3, -1), {"photometric": "rgb"}, "has 3 x 40 x 30 px, and the slide"),
        (B.astype(np.int8), {}, "has int8 px; write uint8"),
        (B, {"compression": "lzw"}, "is not deflated; compress it so"),
        (np.stack([B, B]), {}, "has several pages or levels; write one page of the slide's size"),
    ],
)
def test_masks_of_paip2019(tmp_path, pixels, options, wrong):
    """Size, kind, values, compression and number of pages are those that were asked for."""
    content = tiff(tmp_path / "x.tif", pixels, **options)
    found = problems(tmp_path, "paip2019", {"b.tif": content})
    assert len(found) == (wrong is not None)
    assert not wrong or found[0].startswith(f"b.tif: {wrong}")


def test_a_pyramid_is_no_mask(tmp_path):
    """Levels in SubIFDs are found too."""
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(B, subifds=1, compression="zlib", metadata=None)
        writer.write(B[::2, ::2], subfiletype=1, compression="zlib", metadata=None)
    (line,) = problems(tmp_path, "paip2019", {"b.tif": (tmp_path / "x.tif").read_bytes()})
    assert line.startswith("b.tif: has several pages or levels")


def test_one_wrong_px_among_many_tiles(tmp_path):
    """Equal tiles are decoded once, and none that differs is passed over."""
    folder = sound(tmp_path, "paip2019")
    for place in ((0, 0), (599, 699), (300, 300)):
        pixels = np.ones((600, 700), np.uint8)
        pixels[place] = 7
        tiff(folder / "a.tif", pixels, tile=(64, 64))
        found = check_submission("paip2019", folder, SIZES)
        assert found == ["a.tif: holds the value 7; a mask is 0 and 1"]


def test_a_tile_that_is_left_out_is_empty(tmp_path):
    """A file may leave empty tiles out; that is no fault."""
    tiles = iter([zlib.compress(bytes(256)), *[b""] * 5])
    tifffile.imwrite(
        tmp_path / "x.tif", tiles, shape=B.shape, dtype=np.uint8, tile=(16, 16), compression="zlib"
    )
    with tifffile.TiffFile(tmp_path / "x.tif") as opened:
        assert 0 in opened.pages.first.databytecounts
    assert problems(tmp_path, "paip2019", {"b.tif": (tmp_path / "x.tif").read_bytes()}) == []


def test_pieces_too_large_to_read(tmp_path):
    """A slide that is one strip is refused, for reading it would fill the memory."""
    folder = sound(tmp_path, "paip2019")
    side_px = 2**15 + 16
    tifffile.imwrite(
        folder / "b.tif",
        iter([zlib.compress(bytes(16))]),
        shape=(side_px, side_px),
        dtype=np.uint8,
        tile=(side_px, side_px),
        compression="zlib",
    )
    (line,) = check_submission("paip2019", folder, SIZES | {"b": (side_px, side_px)})
    assert line == "b.tif: is compressed in pieces too large to read; write tiles of 512 px"


@pytest.mark.parametrize("challenge", ["paip2019", "digestpath", "camelyon16"])
def test_damaged_files(tmp_path, challenge):
    """However a mask or a ZIP is damaged, nothing is raised and nothing is written beside it."""
    folder = sound(tmp_path, challenge)
    judged = pack(folder) if challenge == "camelyon16" else folder
    path = judged if judged.is_file() else next(folder.glob("b.*"))
    layout = layout_of(path) if path.suffix == ".tif" else None
    content, before = path.read_bytes(), sorted(tmp_path.rglob("*"))
    n_found = 0
    for seed in range(200):
        path.write_bytes(spoiled(content, layout, seed))
        found = check_submission(challenge, judged, SIZES)
        assert judged == path or all(line.startswith(f"{path.name}: ") for line in found)
        n_found += bool(found)
    assert n_found > 100
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("pixels", "form", "wrong"),
    [
        (B, "L PNG", "holds the value 1; a mask is 0 and 255"),
        (255 - B, "L PNG", "holds the value 254; a mask is 0 and 255"),
        (B * 255, "RGB PNG", "is not 8-bit grey (RGB); write it so"),
        (B * 255, "1 PNG", "is not 8-bit grey (1); write it so"),
        (B.T * 255, "L PNG", "has 30 x 40 px, and the image 40 x 30"),
        # A suffix makes no PNG.
        (B * 255, "L JPEG", "is no PNG or is damaged (cannot identify image file 'this file')"),
    ],
)
def test_masks_of_digestpath(tmp_path, pixels, form, wrong):
    """Size, kind and values are those that were asked for."""
    mode, kind = form.split()
    Image.fromarray(pixels).convert(mode).save(tmp_path / "x", format=kind)
    found = problems(tmp_path, "digestpath", {"b.png": (tmp_path / "x").read_bytes()})
    assert found == [f"b.png: {wrong}"]


def test_a_picture_that_claims_to_be_huge_is_not_unpacked(tmp_path, monkeypatch):
    """Pillow's limit is one line, and what it merely doubts is not even a warning."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 800)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        (line,) = problems(tmp_path, "digestpath", {})
    assert line.startswith("a.png: is no PNG or is damaged (Image size (420000 pixels) exceeds")


GOOD = ("submission.csv", b"patient,stage\np1.zip,pN0\np2.zip,pN0\n")


def judge_archive(path: Path, *members: tuple, replace: tuple[bytes, bytes] = (b"", b"")) -> list:
    """Write a ZIP with any members and changed bytes, judge it, and see that nothing is written."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for member, content in members:
            archive.writestr(member, content)
    path.write_bytes(path.read_bytes().replace(*replace))
    before = sorted(path.parent.parent.rglob("*"))
    found = check_submission("camelyon17", path, NODES)
    assert sorted(path.parent.parent.rglob("*")) == before
    return found


@pytest.mark.parametrize(
    "name", ["../out.csv", "/out.csv", "a/../../out.csv", "a\\b", "C:out.csv", "../x/"]
)
def test_members_that_lead_out(tmp_path, name):
    """A name that leads elsewhere is named, and goes nowhere; a folder's is passed over."""
    (tmp_path / "deep").mkdir()
    members = GOOD, ("detections/", b""), (name, b"x")
    (line,) = judge_archive(tmp_path / "deep" / "a.zip", *members)
    assert line.startswith(f"{name}: has a name that leads out of its folder or is no name")


def member(content: bytes = GOOD[1], **attributes: object) -> tuple[zipfile.ZipInfo, bytes]:
    """Describe a member of another kind than usual."""
    info = zipfile.ZipInfo("submission.csv")
    for name, value in attributes.items():
        setattr(info, name, value)
    return info, content


BOMB = GOOD[1] + b"\n" * 2**22


@pytest.mark.parametrize(
    ("members", "replace", "fault"),
    [
        ([GOOD, GOOD], (b"", b""), "is in it more than once"),
        ([member(b"/x", external_attr=0o120777 << 16)], (b"", b""), "is a link; pack the file"),
        (
            [member(compress_type=zipfile.ZIP_BZIP2)],
            (b"", b""),
            "is neither stored nor deflated, as every program reads it; pack it again",
        ),
        # The flag of encryption, in both of a member's headers; nobody is asked for a password.
        ([GOOD], (b"\x14\0\0\0\0\0", b"\x14\0\1\0\0\0"), "is encrypted; pack it without"),
        # A name that some programs read to its first NUL, and that is not what stands before.
        ([("submission.csvX", GOOD[1])], (b".csvX", b".csv\0"), "has a name that leads out of its"),
        # A bomb that says it is small is unpacked no further than it says.
        (
            [member(BOMB, compress_type=zipfile.ZIP_DEFLATED)],
            (struct.pack("<I", len(BOMB)), struct.pack("<I", 10)),
            "is damaged (Bad CRC-32",
        ),
    ],
    ids=["twice", "link", "bzip2", "encrypted", "NUL in its name", "bomb"],
)
def test_members_that_are_refused(tmp_path, members, replace, fault):
    """What is no plain file that every program unpacks alike is no part of a submission."""
    (line,) = judge_archive(tmp_path / "a.zip", *members, replace=replace)
    assert line.startswith(f"submission.csv: {fault}")


def test_what_is_no_file_in_a_folder(tmp_path):
    """Pipes are not waited for, links to folders not followed; a link to a file is the file."""
    folder = sound(tmp_path, "camelyon17")
    (folder / "submission.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "submission.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert check_submission("camelyon17", folder, NODES) == []
    (folder / "submission.csv").unlink()
    os.mkfifo(folder / "submission.csv")
    (folder / "round").symlink_to(folder)
    assert check_submission("camelyon17", folder, NODES) == [
        "round: is no file",
        "submission.csv: is no file",
    ]
