"""How often pairs of H&E and DAPI are taken for one place, or refused, and how well they register.

    PYTHONPATH=workflow_scripts python trials/dapi_pairs.py ../shared/data

The H&E images are real: 30 of nuclei_dsb2018 (160 x 128 µm at 0.5 µm per px, outlined by hand) and
fields of 250 and 125 µm of CMU-1-Small-Region.svs, whose nuclei a threshold outlines. The DAPI
images are drawn from the outlines (`drawn_dapi`): turned by up to 15 degrees, shifted by up to a
third of both sides, with noise, vignetting, 10 % less contrast and 15 % of the nuclei lost. A wrong
pair has the DAPI image of another field.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import remove_small_objects

from drawn_dapi import draw_dapi
from microtome.weak_labels.dapi_images import measure_haematoxylin, scale_robustly
from microtome.weak_labels.dapi_registration import Picture, Registration, lay_on, register

SPACING_UM = 0.5
N_WRONG = 10

Field = tuple[np.ndarray, np.ndarray]  # pixels and labels


def main(data: Path) -> None:
    """Print a line for each set of images."""
    rng = np.random.default_rng(1)
    region = tifffile.imread(data / "slides" / "CMU-1-Small-Region.svs", key=0)
    sets = {
        "nuclei_dsb2018": list(read_outlined(data / "nuclei_dsb2018")),
        "CMU 250 µm": list(cut_fields(region, 500)),
        "CMU 125 µm": list(cut_fields(region, 250)),
    }
    for name, fields in sets.items():
        measure(name, fields, rng)


def read_outlined(folder: Path) -> Iterator[Field]:
    """Read images with labels drawn by hand."""
    for path in sorted((folder / "images").glob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        yield pixels, np.asarray(Image.open(folder / "labels" / path.name)).astype(np.int64)


def cut_fields(region: np.ndarray, side_px: int) -> Iterator[Field]:
    """Cut fields of which a fifth is tissue, and outline what absorbs red as nuclei."""
    for top in range(0, region.shape[0] - side_px, side_px):
        for left in range(0, region.shape[1] - side_px, side_px):
            pixels = region[top : top + side_px, left : left + side_px]
            if (pixels.mean(axis=2) < 220).mean() > 0.2:
                density = ndimage.gaussian_filter(-np.log10((pixels[..., 0] + 1.0) / 256), 1.5)
                mask = ndimage.binary_opening(density > threshold_otsu(density), iterations=2)
                yield pixels, label(remove_small_objects(mask, max_size=40))


def measure(name: str, fields: list[Field], rng: np.random.Generator) -> None:
    """Register right and wrong pairs of a set, and print what came of it."""
    right, errors, wrong = [], [], []
    for i, (pixels, labels) in enumerate(fields):
        haematoxylin = Picture(measure_haematoxylin(pixels), SPACING_UM)
        for largest in (0.1, 1 / 3):
            dapi, *place = spoil(labels, rng, largest)
            right.append(register(haematoxylin, dapi))
            errors.append(measure_error(right[-1], place, dapi, labels.shape))
        others = [j for j in range(len(fields)) if j != i]
        drawn = rng.choice(others, min(N_WRONG, len(others)), replace=False)
        wrong += [register(haematoxylin, spoil(fields[j][1], rng, 0.1)[0]) for j in drawn]
    sure = np.array([one.is_sure for one in right])
    px, degrees = np.array(errors).T
    print(
        f"{name}: {len(fields)} fields;"
        f" right pairs: {len(right)}, refused {(~sure).sum()}, accepted but further than 2 px off"
        f" {(sure & (px > 2)).sum()}; error of those accepted, median and 95th percentile:"
        f" {np.median(px[sure]):.2f} and {np.percentile(px[sure], 95):.2f} px,"
        f" {np.median(degrees[sure]):.2f} and {np.percentile(degrees[sure], 95):.2f} degrees;"
        f" wrong pairs: {len(wrong)}, accepted {sum(one.is_sure for one in wrong)},"
        f" highest scores {describe(wrong, 'score')}, leads {describe(wrong, 'lead')};"
        f" lowest of right ones {describe(right, 'score', -1)}, {describe(right, 'lead', -1)}",
        flush=True,
    )


def spoil(
    labels: np.ndarray, rng: np.random.Generator, largest: float
) -> tuple[Picture, float, np.ndarray]:
    """Draw the DAPI image of a field at a random place: up to 15 degrees, and a share of sides."""
    rotation_deg = rng.uniform(-15, 15)
    shift_px = rng.uniform(-largest, largest, 2) * labels.shape[::-1]
    drawn = draw_dapi(
        labels, rng, rotation_deg=rotation_deg, shift_px=shift_px, range_of_values=0.9
    )
    return Picture(scale_robustly(drawn), SPACING_UM), rotation_deg, shift_px


def measure_error(
    found: Registration, place: list, dapi: Picture, shape: tuple[int, int]
) -> tuple[float, float]:
    """How far off a place is: px, on average over what overlaps, and degrees."""
    columns, rows = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0]))
    there = (found.rotation_deg, *found.shift_um), (place[0], *np.array(place[1]) * SPACING_UM)
    at, inside = [], []
    for one in there:
        for axis in (columns, rows.astype(np.float32)):
            values, seen = lay_on(
                Picture(axis, SPACING_UM), one, shape=shape, spacing_um=SPACING_UM
            )
            at.append(values)
        inside.append(seen)
    both = inside[0] & inside[1]
    if not both.any():
        return np.inf, abs(found.rotation_deg - place[0])
    off = np.hypot(at[0] - at[2], at[1] - at[3])[both]
    return float(off.mean()), abs(found.rotation_deg - place[0])


def describe(found: list[Registration], name: str, sign: int = 1) -> str:
    """Name the three most extreme values."""
    values = sorted((getattr(one, name) for one in found), key=lambda value: -sign * value)
    return ", ".join(f"{value:.2f}" for value in values[:3])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
