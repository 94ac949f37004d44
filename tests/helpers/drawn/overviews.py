"""Overviews at 8 µm/px whose tissue is known: stains, pens and scanners as people really have them.

Light passes through what lies on top of each other (Beer and Lambert), so optical densities add up.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from scipy import ndimage

from microtome.rasters.bands import rows_of
from microtome.tissue.mask import find_tissue

REPOSITORY = Path(__file__).parents[3]
SETTINGS = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["tissue"]
SHAPE = (200, 280)  # 1.6 x 2.2 mm
# Optical density of R, G and B at full stain; eosin and blood as scanners show them.
HAEMATOXYLIN, EOSIN = np.array([0.75, 0.95, 0.45]), np.array([0.10, 0.60, 0.33])
DAB, BLOOD = np.array([0.45, 0.95, 1.30]), np.array([0.24, 1.25, 0.98])
COUNTERSTAIN = np.array([0.62, 0.56, 0.40])
MELANIN, CARBON = np.array([1.3, 1.6, 1.8]), np.array([1.9, 1.95, 2.0])
PENS = {
    "red": (205, 30, 50),
    "crimson": (190, 40, 75),
    "blue": (35, 50, 150),
    "navy": (35, 42, 100),
    "green": (20, 110, 70),
    "yellow": (235, 205, 40),
    "purple": (95, 35, 150),
    "black": (28, 27, 30),
}


@dataclass
class Overview:
    """Pixels (height, width, 3), uint8; which are tissue; and which may be either (bool)."""

    pixels: np.ndarray
    tissue: np.ndarray
    either: np.ndarray


def find_mask(pixels: np.ndarray, notes: list | None = None, **changes: object) -> np.ndarray:
    """Find tissue with the settings of config.yaml, some of them changed; notes are appended."""
    asked = {**SETTINGS, "tell": [].append if notes is None else notes.append, **changes}
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / "a.tif"
        with find_tissue(rows_of(pixels), pixels.shape[:2], beside=beside, **asked) as mask:
            return mask.rows(0, len(pixels))


def overlap(mask: np.ndarray, overview: Overview) -> float:
    """Dice of a mask and an overview's tissue, where that is known."""
    found, tissue = mask[~overview.either], overview.tissue[~overview.either]
    return 2 * np.count_nonzero(found & tissue) / max(1, found.sum() + tissue.sum())


class Sheet:
    """What lies on a slide, as optical density (height, width, 3)."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.density = np.zeros((*SHAPE, 3))
        self.tissue, self.either = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
        self.y, self.x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)

    def noise(self, reach_px: float) -> np.ndarray:
        """Draw noise of variance 1 that varies over `reach_px`."""
        drawn = ndimage.gaussian_filter(self.rng.normal(size=SHAPE), reach_px)
        return drawn / drawn.std()

    def blob(self, y: float, x: float, radius_px: float) -> np.ndarray:
        """Give where a ragged disc is."""
        edge = radius_px * (1 + 0.12 * self.noise(9))
        return np.hypot(self.y - y, 1.1 * (self.x - x)) < edge

    def stain(self, where: np.ndarray, *, nuclei: float, pink: float, strength: float = 1) -> None:
        """Lay a section: nuclei (their share of a px) on a pink ground, both of them uneven."""
        h = nuclei * np.exp(0.45 * self.noise(0.8) + 0.25 * self.noise(6))
        e = pink * np.exp(0.22 * self.noise(1.0) + 0.15 * self.noise(8))
        self.density += (strength * where)[..., None] * (
            h[..., None] * HAEMATOXYLIN + e[..., None] * EOSIN
        )
        self.tissue |= where

    def pigment(self, where: np.ndarray, od: np.ndarray, amount: float, *, uneven: float) -> None:
        """Lay something of one colour."""
        layer = amount * np.exp(uneven * self.noise(1.0)) * where
        self.density += layer[..., None] * od
        self.tissue |= where

    def fat(self, where: np.ndarray, cell_px: float = 9) -> None:
        """Lay thin walls about empty cells."""
        n = int(where.sum() / cell_px**2)
        at = np.argwhere(where)[self.rng.choice(where.sum(), n, replace=False)].astype(float)
        away = np.sort(np.stack([np.hypot(self.y - a, self.x - b) for a, b in at]), axis=0)[:2]
        walls = np.clip(1.1 - 0.75 * (away[1] - away[0]), 0, 1) * where
        self.density += (0.45 * walls)[..., None] * (EOSIN + 0.12 * HAEMATOXYLIN)
        self.tissue |= where

    def line(self, start: tuple, end: tuple, width_px: float) -> np.ndarray:
        """Give where a straight stroke is."""
        (y0, x0), (y1, x1) = start, end
        length = np.hypot(y1 - y0, x1 - x0)
        along = ((self.y - y0) * (y1 - y0) + (self.x - x0) * (x1 - x0)) / length
        across = np.abs((self.y - y0) * (x1 - x0) - (self.x - x0) * (y1 - y0)) / length
        return (across < width_px / 2) & (along > -width_px / 2) & (along < length + width_px / 2)

    def pen(
        self, where: np.ndarray, colour: tuple, *, opacity: float = 1, blur_px: float = 1
    ) -> None:
        """Draw with a felt pen; a translucent one lets the tissue below show through."""
        ink = -np.log(np.maximum(colour, 4) / 255.0)
        cover = ndimage.gaussian_filter(where.astype(float), blur_px)
        streaks = 1 + 0.03 * ndimage.gaussian_filter1d(self.noise(3), 8, axis=1)
        if opacity == 1:
            self.density *= 1 - cover[..., None]
            self.tissue &= cover < 0.5
        self.either |= self.tissue & (cover > 0.05)
        self.density += (opacity * cover * streaks)[..., None] * ink

    def picture(
        self, glass: tuple | np.ndarray = (243, 243, 243), *, grain: float = 1.2, quality: int = 85
    ) -> Overview:
        """Look at it: light of the colour of the glass, noise of the camera, JPEG."""
        seen = np.asarray(glass, float) * np.exp(-self.density)
        seen += self.rng.normal(scale=grain, size=seen.shape)
        stream = BytesIO()
        Image.fromarray(seen.round().clip(0, 255).astype(np.uint8)).save(
            stream, "JPEG", quality=quality
        )
        return Overview(np.array(Image.open(stream)), self.tissue, self.either)


def _draw_section(
    seed: int, *, strength: float = 1, nuclei: float = 0.35, pink: float = 0.7
) -> Sheet:
    sheet = Sheet(seed)
    sheet.stain(sheet.blob(100, 130, 62), nuclei=nuclei, pink=pink, strength=strength)
    return sheet


def _draw_pens() -> dict[str, Callable[[], Overview]]:
    def over_glass(colour, opacity):
        sheet = _draw_section(2)
        sheet.pen(sheet.line((20, 235), (180, 250), 18), colour, opacity=opacity)
        return sheet.picture()

    def over_tissue(colour, opacity):
        sheet = _draw_section(3)
        sheet.pen(sheet.line((15, 20), (170, 262), 16), colour, opacity=opacity)
        return sheet.picture()

    def pale(colour):
        sheet = _draw_section(4)
        sheet.pen(sheet.line((20, 235), (180, 250), 18), colour, opacity=0.35, blur_px=2)
        return sheet.picture()

    drawn = {}
    for name, colour in PENS.items():
        drawn[f"{name} pen on glass"] = lambda c=colour: over_glass(c, 1)
        drawn[f"{name} pen on tissue"] = lambda c=colour: over_tissue(c, 1)
        drawn[f"{name} pen, translucent"] = lambda c=colour: over_tissue(c, 0.6)
        drawn[f"{name} pen, thin ink"] = lambda c=colour: pale(c)
    return drawn


def _draw_stain(**stain: float) -> Overview:
    return _draw_section(1, **stain).picture()


def _draw_fat() -> Overview:
    sheet = Sheet(5)
    sheet.fat(sheet.blob(100, 150, 75))
    sheet.stain(sheet.blob(100, 65, 30), nuclei=0.3, pink=0.7)
    return sheet.picture()


def _draw_pigment(od, amount, uneven, radius_px=14) -> Overview:
    sheet = _draw_section(6)
    for y, x in ((80, 110), (115, 160), (135, 100)):
        sheet.pigment(sheet.blob(y, x, radius_px), od, amount, uneven=uneven)
    return sheet.picture()


def _draw_ihc(dab: float, *, nuclei: float = 0.5) -> Overview:
    sheet = Sheet(7)
    where = sheet.blob(100, 130, 62)
    blue = nuclei * np.exp(0.4 * sheet.noise(0.8))
    sheet.density += (blue * where)[..., None] * COUNTERSTAIN
    sheet.tissue |= where
    sheet.pigment(where & (sheet.noise(10) > 0), DAB, dab, uneven=0.3)
    return sheet.picture()


def _draw_scan(light: Callable, **camera) -> Overview:
    sheet = _draw_section(8)
    sheet.stain(sheet.blob(40, 235, 22), nuclei=0.08, pink=0.25)
    return sheet.picture(light(sheet), **camera)


def _vignetted(sheet: Sheet) -> np.ndarray:
    far = np.hypot(sheet.y - 100, sheet.x - 140) / 172
    return (1 - 0.18 * far**2)[..., None] * np.array([243, 242, 240])


def _striped(sheet: Sheet) -> np.ndarray:
    light = np.tile([238.0, 240.0, 238.0], (*SHAPE, 1))
    return light - 6 * ((sheet.x // 35) % 2)[..., None] * np.array([1, 0.7, 1.2])


def _draw_dirt() -> Overview:
    """Crosses of registration, dust, the coverslip's edge, bubbles of air."""
    sheet = _draw_section(9)
    for y, x in ((25, 25), (175, 255), (25, 255)):
        for line in (((y - 14, x), (y + 14, x)), ((y, x - 14), (y, x + 14))):
            sheet.pen(sheet.line(*line, 3.5), PENS["black"], blur_px=0.6)
    for y, x in sheet.rng.uniform((10, 10), (190, 270), (40, 2)):
        sheet.pen(np.hypot(sheet.y - y, sheet.x - x) < 2, (70, 65, 60), blur_px=0.6)
    sheet.pen(sheet.line((0, 215), (199, 219), 2.5), (120, 122, 125), opacity=0.99, blur_px=0.6)
    for y, x, radius in ((150, 40, 22), (165, 205, 14)):
        ring = np.abs(np.hypot(sheet.y - y, sheet.x - x) - radius) < 1.5
        sheet.pen(ring, (110, 110, 112), opacity=0.99, blur_px=0.7)
    return sheet.picture()


def _draw_padding(colour: int, glass: tuple) -> Overview:
    found = _draw_section(10).picture(glass)
    found.pixels[:, 230:] = colour
    found.pixels[:18] = colour
    return found


def _draw_fat_and_muscle() -> Overview:
    """Fat, muscle and blood beside each other."""
    sheet = Sheet(11)
    sheet.fat(sheet.blob(70, 80, 55))
    sheet.stain(sheet.blob(120, 190, 55), nuclei=0.1, pink=1.5)
    sheet.pigment(sheet.blob(120, 200, 20), BLOOD, 0.9, uneven=0.1)
    return sheet.picture()


OVERVIEWS: dict[str, Callable[[], Overview]] = {
    "H&E": _draw_stain,
    "H&E, faded": lambda: _draw_stain(strength=0.22),
    "H&E, very pale stroma": lambda: _draw_stain(nuclei=0.03, pink=0.16),
    "H&E, overstained": lambda: _draw_stain(strength=1.8),
    "lymph node": lambda: _draw_stain(nuclei=1.3, pink=0.4),
    "muscle": lambda: _draw_stain(nuclei=0.06, pink=1.6),
    "frozen": lambda: _draw_stain(nuclei=0.5, pink=0.2, strength=0.7),
    "fat": _draw_fat,
    "fat, muscle, blood": _draw_fat_and_muscle,
    "blood": lambda: _draw_pigment(BLOOD, 1.0, 0.10, 20),
    "blood, bright": lambda: _draw_pigment(np.array([0.17, 1.15, 0.85]), 1.0, 0.12, 20),
    "melanin": lambda: _draw_pigment(MELANIN, 0.8, 0.35),
    "carbon": lambda: _draw_pigment(CARBON, 0.6, 0.6, 5),
    "IHC, DAB": lambda: _draw_ihc(0.9),
    "IHC, counterstain alone": lambda: _draw_ihc(0),
    "IHC, pale counterstain": lambda: _draw_ihc(0, nuclei=0.16),
    "yellowish glass": lambda: _draw_scan(lambda _: (242, 236, 218)),
    "bluish glass": lambda: _draw_scan(lambda _: (222, 228, 241)),
    "grey glass": lambda: _draw_scan(lambda _: (205, 205, 206)),
    "vignetted": lambda: _draw_scan(_vignetted),
    "striped": lambda: _draw_scan(_striped),
    "noisy, JPEG 40": lambda: _draw_scan(lambda _: (240, 240, 238), grain=4, quality=40),
    "crosses, dust, bubbles": _draw_dirt,
    "black padding": lambda: _draw_padding(0, (240, 239, 238)),
    "white padding, grey glass": lambda: _draw_padding(255, (226, 224, 230)),
    **_draw_pens(),
}
