"""Memory and time of the steps of a slide; those with networks: `planning.network_needs`.

Memory is the resident memory of the step's processes together, time that of one core. Both were
measured on drawn slides of 0.25 µm/px and 10, 20 and 40 thousand px a side, half of them tissue,
with maps of 8, 5 and 2 µm/px; where the points lie on no line, the line lies above them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microtome.slides.header_probe import SlideHeader

# What is asked for beyond what was measured: other slides, slower cores, a slow file system.
_MORE_MB, _TIMES_MB, _STEP_MB = 100, 1.3, 50
_MORE_S, _TIMES_S = 30, 3

# OpenSlide takes so many times as long as reading tile by tile.
_SLOW_TIMES = 7
# Larger images in one piece are refused.
_MOST_IMAGE_MPX = 179
# A picture shows no more of a map than this, in Mpx.
_MOST_SHOWN_MPX = 1.8


@dataclass(frozen=True)
class Need:
    """What a step takes: MB of memory, and s of one core."""

    mb: float
    s: float


@dataclass(frozen=True)
class Extent:
    """How large a slide is."""

    width_px: int
    height_px: int
    spacing_um: float  # of level 0, µm per px, as are width and height
    widths_px: tuple[int, ...]  # of each level
    is_one_image: bool = False  # it is held in memory as one image
    is_slow: bool = True  # it may be one that OpenSlide reads

    @property
    def mpx(self) -> float:
        """Mpx of level 0."""
        return self.width_px * self.height_px / 1e6

    def mpx_at(self, spacing_um: float) -> float:
        """Mpx of a map of the slide; none is finer than the slide."""
        return self.mpx * (self.spacing_um / max(spacing_um, self.spacing_um)) ** 2

    def mpx_read_for(self, spacing_um: float) -> float:
        """Mpx of the level that is read for all of the slide at a spacing."""
        width_px = self.width_px * self.spacing_um / max(spacing_um, self.spacing_um)
        fine_enough = [w for w in self.widths_px if w >= 0.98 * width_px]
        return self.mpx * (min(fine_enough, default=self.width_px) / self.width_px) ** 2


# Most slides are scanned at 20x or 40x; the coarser, the larger the tissue on as many px.
_LIKELY_UM = 0.5
# Until anything is known of a slide: one that is larger than most.
UNKNOWN = Extent(80_000, 80_000, 0.25, (80_000,))


def inspected_extent(info: Mapping) -> Extent:
    """The extent of a slide by its status file; `UNKNOWN` if its inspection failed."""
    if "width_px" not in info:
        return UNKNOWN
    return Extent(
        info["width_px"],
        info["height_px"],
        info["spacing_um"],
        tuple(width for width, _ in info["levels"]),
        is_one_image=info["read_by"] == "as one image",
        is_slow=info["read_by"] == "by OpenSlide",
    )


def probed_extent(probed: SlideHeader, *, spacing_um: float | None) -> Extent:
    """The extent of a slide by its header alone; what it does not say is taken to be large."""
    width_px, height_px = probed.levels[0]
    return Extent(
        width_px,
        height_px,
        spacing_um or probed.spacing_um or _LIKELY_UM,
        tuple(width for width, _ in probed.levels),
        is_one_image=probed.is_one_image,
    )


@dataclass(frozen=True)
class _Cost:
    """MB and s of a step: of any slide, and more for each unit of what it depends on."""

    mb: float
    s: float
    mb_per: Mapping[str, float]
    s_per: Mapping[str, float]


# By rule; what they depend on is what `measure_work` gives.
_COSTS = {
    "inspect_slide": _Cost(150, 1, {"image": 14}, {"image": 0.05}),
    "tissue_mask": _Cost(120, 2, {"map": 2.5, "image": 14}, {"map": 1.6, "read": 0.015}),
    "rasterize_annotation": _Cost(
        90, 2, {"annotation": 10}, {"annotation": 0.2, "truth": 0.015, "level_0": 0.003}
    ),
    "patch_grid": _Cost(
        105, 1.5, {"map": 3, "kpatches": 0.3, "image": 14}, {"truth": 0.004, "kpatches": 0.02}
    ),
    "extract_patches": _Cost(95, 1, {"readers": 90, "image": 14}, {"patches": 0.03, "image": 0.05}),
    "stitch_heatmap": _Cost(130, 1.6, {"map": 2}, {"map": 0.15, "kpatches": 0.03}),
    "stitch_uncertainty": _Cost(145, 1.6, {"map": 2}, {"map": 0.1, "kpatches": 0.03}),
    "tumour_burden": _Cost(108, 1.6, {"map": 0.8}, {"map": 0.15, "opening": 0.008}),
    "tumour_polygons": _Cost(102, 1.5, {"map": 0.8}, {"map": 0.1}),
    "slide_figure": _Cost(175, 2.7, {"shown": 310}, {"shown": 1.6, "map": 0.07}),
    "compare_maps": _Cost(600, 15, {}, {"map": 0.5}),
    "uncertainty_figure": _Cost(165, 2.7, {"shown": 240}, {"shown": 1.6, "map": 0.07}),
    "evaluate_slide": _Cost(
        102, 1.3, {"truth": 0.3, "map": 1}, {"truth": 0.015, "map": 0.11, "kpatches": 0.02}
    ),
    "count_pixels": _Cost(148, 2.1, {"truth": 0.1}, {"truth": 0.006, "map": 0.15}),
    "summarize_uncertainty": _Cost(132, 2, {"map": 1}, {"map": 0.06}),
    "vote_slide": _Cost(140, 1.5, {}, {"map": 0.3, "truth": 0.002, "kpatches": 0.05}),
    # These hold the heatmap whole; the size rule's distances are float64.
    "slide_features": _Cost(128, 2.2, {"map": 58}, {"map": 0.6}),
    "find_lesions": _Cost(130, 2.2, {"map": 10}, {"map": 0.2}),
    "submission_mask": _Cost(100, 1.6, {}, {"level_0": 0.0045}),
    # A slide full of tissue has 6,000 nuclei a mm², 64 mm² for each Mpx of a map of 8 µm.
    "nucleus_geojson": _Cost(100, 1, {}, {"map": 3.5}),
    "nucleus_density": _Cost(110, 1.2, {"map": 0.8}, {"map": 0.5}),
    "nucleus_counts": _Cost(110, 1.2, {"map": 0.8}, {"map": 0.5}),
    "nucleus_figure": _Cost(175, 2.7, {"shown": 240}, {"shown": 1.6, "map": 0.2}),
    # A PNG in one piece.
    "submission_image": _Cost(95, 1, {"level_0": 1.01}, {"level_0": 0.017}),
}


def measure_work(
    extent: Extent,
    *,
    map_um: float,
    truth_um: float,
    opening_um: float = 0,
    patches: float = 0,
    patch_px: int = 0,
    spacings_um: Sequence[float] = (),
    readers: int = 1,
    annotation_bytes: int = 0,
) -> dict[str, float]:
    """Measure what makes steps of a slide large: the numbers that their needs grow with.

    Parameters
    ----------
    extent : Extent
    map_um, truth_um : float
        µm per px of the slide's mask or heatmap, and of its truth map.
    opening_um : float
        Of the heatmap's segmentation.
    patches, patch_px : float, int
        Number of patches, and their side.
    spacings_um : sequence of float
        µm per px of the images of each patch.
    readers : int
        Processes that read them.
    annotation_bytes : int
        Size of the slide's outlines.

    Returns
    -------
    dict of str to float
        ``level_0``, ``map``, ``truth``: their Mpx. ``read``: Mpx of the level that a map is made
        from, ``patches``: of those that the patches are, both times what OpenSlide takes longer.
        ``shown``: Mpx of a map in a picture. ``opening``: Mpx of the map times the px² of the
        opening. ``image``: Mpx of a slide that is one image. ``kpatches``: thousands of patches.
        ``readers``, ``annotation``: MB.
    """
    times = _SLOW_TIMES if extent.is_slow else 1
    map_mpx = extent.mpx_at(map_um)
    # Px of the slide's levels for a px of a patch, all its images together.
    px_read_for_each = sum(extent.mpx_read_for(um) / extent.mpx_at(um) for um in spacings_um)
    return {
        "level_0": extent.mpx,
        "map": map_mpx,
        "truth": extent.mpx_at(truth_um),
        "read": extent.mpx_read_for(map_um) * times,
        "patches": patches * patch_px**2 / 1e6 * times * px_read_for_each,
        "shown": min(map_mpx, _MOST_SHOWN_MPX),
        "opening": map_mpx * (opening_um / max(map_um, extent.spacing_um)) ** 2,
        "image": min(extent.mpx, _MOST_IMAGE_MPX) if extent.is_one_image else 0.0,
        "kpatches": patches / 1000,
        "readers": readers,
        "annotation": annotation_bytes / 1e6,
    }


def step_need(step: str, measured: Mapping[str, float]) -> Need:
    """What a rule of `_COSTS` takes for a slide: none that scores, trains or compresses."""
    cost = _COSTS[step]
    return Need(
        cost.mb + sum(slope * measured[name] for name, slope in cost.mb_per.items()),
        cost.s + sum(slope * measured[name] for name, slope in cost.s_per.items()),
    )


def request_mb(need: Need, attempt: int) -> int:
    """MB that any rule asks for: more than was measured, and more at each attempt.

    Examples
    --------
    >>> [request_mb(Need(mb=1000, s=100), attempt) for attempt in (1, 2)]
    [1400, 2800]
    """
    mb = (need.mb * _TIMES_MB + _MORE_MB) * attempt
    return math.ceil(mb / _STEP_MB) * _STEP_MB


def request_minutes(need: Need, attempt: int) -> int:
    """Minutes that any rule asks for: more than was measured, and more at each attempt.

    Examples
    --------
    >>> [request_minutes(Need(mb=1000, s=100), attempt) for attempt in (1, 2)]
    [6, 12]
    """
    return math.ceil((need.s * _TIMES_S + _MORE_S) / 60) * attempt
