"""Where the px of a smaller picture lie on its slide, by its size and by what tags say."""

import math
from dataclasses import dataclass

Size = tuple[int, int]

# Philips pads levels to whole tiles, and to an even number of them.
MOST_TILES = 2
# Of a resolution, which TIFF keeps as a fraction or with few digits.
_TAG_TOLERANCE = 0.01
# A level of one tile may be padded this many times over.
_MOST_PADDING = 8


@dataclass(frozen=True)
class Place:
    """Where a picture of a file lies on the slide, if it is a level of it.

    The `number` of the picture in its file; level-0 px per px; width and height in px of what lies
    on the slide, without padding; whether this is certain, or for the picture's content to show;
    and whether its px can be read as they are, or only interpolated.
    """

    number: int
    downsample: float
    size_px: Size
    is_certain: bool = True
    is_exact: bool = True


def guess_places(
    slide_px: Size,
    size_px: Size,
    *,
    number: int,
    tile_px: Size | None = None,
    tagged: float | None = None,
    is_reduced: bool = False,
) -> list[Place]:
    """Find where a picture of a size may lie on a slide, the finest downsample first.

    The sides of a level are those of the slide divided by its downsample, to a px, or more if it is
    padded to whole tiles of `tile_px`. How much smaller it is may be `tagged`, by resolutions. Its
    place is certain only if it is known that it `is_reduced`: a picture of the whole slide.

    Examples
    --------
    >>> [place.downsample for place in guess_places((1203, 601), (300, 150), number=1)]
    [4.0]
    >>> padded = guess_places((7168, 3584), (2048, 1024), number=1, tile_px=(512, 512))
    >>> [(place.downsample, place.size_px) for place in padded]
    [(4.0, (1792, 896))]
    """
    if tagged:
        downsample = _whole(tagged)
        if _fits(slide_px, size_px, tile_px, downsample):
            return [_place(slide_px, size_px, number, downsample, is_certain=is_reduced)]
    # Tags that contradict the size leave it open, as does a size that may be padded.
    may_be_padded = bool(tile_px) and not any(s % t for s, t in zip(size_px, tile_px, strict=True))
    found = {}
    by_size = _ratio(slide_px, size_px)
    # Sides of whole tiles in a ratio that is none of whole numbers are padded.
    if by_size and (by_size.is_integer() or not may_be_padded):
        found[by_size] = is_reduced and not tagged and not may_be_padded
    if may_be_padded:
        most = _MOST_PADDING * max(a / b for a, b in zip(slide_px, size_px, strict=True))
        for exponent in range(1, int(math.log2(max(2, most))) + 1):
            downsample = 2.0**exponent
            if _fits(slide_px, size_px, tile_px, downsample):
                found.setdefault(downsample, False)
    return [
        _place(slide_px, size_px, number, downsample, is_certain=is_certain)
        for downsample, is_certain in sorted(found.items())
    ]


def _place(slide_px: Size, size_px: Size, number: int, downsample: float, **how: bool) -> Place:
    width, height = (
        side if abs(side - whole / downsample) < 1 else max(1, int(whole / downsample))
        for whole, side in zip(slide_px, size_px, strict=True)
    )
    return Place(number, float(downsample), (width, height), **how)


def _whole(ratio: float) -> float:
    whole = round(ratio)
    return float(whole) if whole and abs(ratio / whole - 1) < _TAG_TOLERANCE else ratio


def _fits(slide_px: Size, size_px: Size, tile_px: Size | None, downsample: float) -> bool:
    """Whether sides are the slide's divided by a downsample, to a px or padded to whole tiles."""
    for whole, side, tile in zip(slide_px, size_px, tile_px or (0, 0), strict=True):
        padding = side - whole / downsample
        is_padded = tile and side % tile == 0 and 0 <= padding < MOST_TILES * tile
        if abs(padding) >= 1 and not is_padded:
            return False
    return downsample > 1


def _ratio(slide_px: Size, size_px: Size) -> float | None:
    """Find the downsample of which both sides are rounded: a whole number if there is one."""
    sides = list(zip(slide_px, size_px, strict=True))
    low = max(1.0, *(whole / (side + 1) for whole, side in sides))
    high = min(whole / max(side - 1, 0.5) for whole, side in sides)
    # Of several, which differ by less than a px of the level, pyramids have multiples of 2 or 4.
    wholes = range(int(low) + 1, math.ceil(high))
    if wholes:
        return float(max(wholes, key=lambda n: n & -n))
    whole, side = max(sides)
    return whole / side if low < high and whole > side else None
