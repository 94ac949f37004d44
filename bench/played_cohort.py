"""Stand-ins for the slides and results of a large cohort: real sizes in px, few bytes on disk."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import library  # noqa: F401 - makes the library importable

from microtome.patches.grid_spec import GridSpec

# Half of the slides are large sections, a quarter small ones, a quarter biopsies: px at 0.25 µm/px.
SIZES_PX = ((100_000, 80_000), (20_000, 20_000), (100_000, 80_000), (10_000, 6_000))
SPACING_UM = 0.25
_TISSUE_SHARE = 0.5
_BYTES_PER_PX = 0.2
_BYTES_OF_WEIGHTS = 40_000_000
# Of maps, as those of the demo cohort have: Snakemake reads small files for their checksums.
_MAP_UM = 8.0
_BYTES_PER_MAP_PX = {
    "mask": 0.008,
    "overview": 0.25,
    "heatmap": 0.26,
    "viable": 0.013,
    "tumour": 0.015,
}
# Of ten slides; the two lists have no common factor that would give a size one split only.
_SPLITS = (*("train",) * 4, "validation", *("test",) * 5)
_WIDTH, _HEIGHT, _DESCRIPTION, _TILE_WIDTH = 256, 257, 270, 322
_LONG, _ASCII = 4, 2


def make_cohort(folder: Path, n: int) -> None:
    """Write a sheet of `n` slides, of which one to train on has truth, and the slides.

    A slide is the header of a TIFF of several levels, and a hole: as long as a real file, and
    without a byte on disk.
    """
    (folder / "slides").mkdir(parents=True)
    rows = ["slide\tpath\tpatient\tsplit\tannotation"]
    for number in range(n):
        path = folder / _path_of(number)
        width_px, height_px = size_px(number)
        with path.open("wb") as file:
            file.write(header(levels(width_px, height_px)))
            file.truncate(int(width_px * height_px * _BYTES_PER_PX))
        rows.append(f"{_name_of(number)}\t{_path_of(number)}\tp{number:05d}\t{_split_of(number)}")
    # Without truth, training would be refused.
    (folder / "slides" / "truth.xml").touch()
    rows[1] += "\tslides/truth.xml"
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")


def size_px(number: int) -> tuple[int, int]:
    """Width and height of a slide by its number."""
    return SIZES_PX[number % len(SIZES_PX)]


def levels(width_px: int, height_px: int) -> list[tuple[int, int]]:
    """Widths and heights of the levels of a slide, each a quarter of the one before."""
    found = [(width_px, height_px)]
    while max(found[-1]) > 4000:
        found.append((found[-1][0] // 4, found[-1][1] // 4))
    return found


def header(sizes: list[tuple[int, int]]) -> bytes:
    """A TIFF with a page of so many px for each size, and not one of the px.

    Parameters
    ----------
    sizes : list of (int, int)
        Width and height of each page.
    """
    text = f"Aperio |MPP = {SPACING_UM}\0".encode()
    made = b"II" + struct.pack("<HI", 42, 8 + len(text)) + text
    for number, (width_px, height_px) in enumerate(sizes):
        tags = [(_WIDTH, _LONG, 1, width_px), (_HEIGHT, _LONG, 1, height_px)]
        tags += [(_DESCRIPTION, _ASCII, len(text), 8), (_TILE_WIDTH, _LONG, 1, 256)]
        page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        after = len(made) + len(page) + 4
        made += page + struct.pack("<I", after if number + 1 < len(sizes) else 0)
    return made


def make_output(rule: str, name: str, path: Path, wildcards: Mapping[str, str]) -> None:
    """Write what stands for one output of a job.

    Parameters
    ----------
    rule, name : str
        The rule, and the name of the output in it.
    path : Path
        The output.
    wildcards : mapping of str to str
        The job's.
    """
    content = _content(rule, name, wildcards)
    if path.suffix == ".zarr":
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    n_bytes = _hole_bytes(name, wildcards)
    if n_bytes:
        with path.open("r+b") as file:
            file.truncate(n_bytes)


def _hole_bytes(name: str, wildcards: Mapping[str, str]) -> int:
    """Size of an output that is a hole; 0 of one with contents."""
    if name == "weights":
        return _BYTES_OF_WEIGHTS
    if name not in _BYTES_PER_MAP_PX:
        return 0
    width_px, height_px = size_px(_number_of(wildcards))
    n_px = width_px * height_px * (SPACING_UM / _MAP_UM) ** 2
    return int(n_px * _BYTES_PER_MAP_PX[name])


def _content(rule: str, name: str, wildcards: Mapping[str, str]) -> str:
    if name == "status":
        return json.dumps({"state": "ok", "reason": "", **_found(rule, wildcards)})
    if name == "burden":
        return json.dumps({"slide": wildcards["slide"], "burden": 0.5})
    if name == "curves":
        rows = [f"{epoch},{1 / epoch},{1 / epoch}\n" for epoch in (1, 2)]
        return "".join(["epoch,train_loss,validation_loss\n", *rows])
    return ""


def _found(rule: str, wildcards: Mapping[str, str]) -> dict:
    """What a step of a slide finds, beside that all is well."""
    number = _number_of(wildcards)
    width_px, height_px = size_px(number)
    if rule == "inspect_slide":
        return {
            "path": _path_of(number),
            "vendor": "aperio",
            "read_by": "tile by tile",
            "file_bytes": int(width_px * height_px * _BYTES_PER_PX),
            "width_px": width_px,
            "height_px": height_px,
            "spacing_um": SPACING_UM,
            "levels": levels(width_px, height_px),
            "bounds_px": None,
            "notes": [],
        }
    tissue_um2 = width_px * height_px * SPACING_UM**2 * _TISSUE_SHARE
    if rule == "patch_grid":
        grid = GridSpec.from_name(wildcards["grid"])
        return {"patches": int(tissue_um2 / (grid.spacing_um * grid.stride_px) ** 2)}
    return {"tissue_mm2": tissue_um2 / 1e6, "spacing_um": 8.0}


def _name_of(number: int) -> str:
    return f"s{number:05d}"


def _number_of(wildcards: Mapping[str, str]) -> int:
    return int(wildcards["slide"].removeprefix("s"))


def _path_of(number: int) -> str:
    return f"slides/{_name_of(number)}.svs"


def _split_of(number: int) -> str:
    # By stretches of the sizes: each split has all sizes.
    return _SPLITS[number // len(SIZES_PX) % len(_SPLITS)]
