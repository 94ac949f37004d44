"""The pictures of a TIFF: the slide, and those that may be levels of it."""

import itertools
import re

import tifffile

from microtome.slides.level_places import MOST_TILES, Place, Size, guess_places

_MOST_PAGES = 100
# Resolutions that differ by less are the same: then they say nothing of the size of a px.
_SAME = 1.01


def size_of(page: tifffile.TiffPage) -> Size:
    """Width and height of a page in px."""
    return page.imagewidth, page.imagelength


def find_pictures(tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """Find the slide, the largest picture of a TIFF, and the smaller ones beside or under it.

    Pages in strips, as scanners store thumbnail, label and macro, do not count if the first page
    has tiles; nor do masks.
    """
    pages = [p for p in itertools.islice(tiff.pages, _MOST_PAGES) if not p.is_mask]
    if pages[0].is_tiled:
        pages = [page for page in pages if page.is_tiled]
    slide = max(pages, key=_count_px)
    under = list(itertools.islice(slide.pages, _MOST_PAGES)) if slide.subifds else []
    return [slide, *under, *(page for page in pages if page is not slide)]


def _count_px(page: tifffile.TiffPage) -> int:
    """Count the px of a page; of all but the first, which may be padded levels, without padding."""
    width, height = size_of(page)
    across, down = page.tilewidth, page.tilelength
    if page.index and page.is_tiled and not (width % across or height % down):
        width = max(1, width - MOST_TILES * across + 1)
        height = max(1, height - MOST_TILES * down + 1)
    return width * height


def place_pictures(pictures: list[tifffile.TiffPage]) -> list[Place]:
    """Find where pictures, of which the first is the slide, may lie on it, finest first.

    Of a picture with others under it (SubIFDs), as OME has them, only these are reduced. Aperio
    describes them: "46000x32914 ... -> 11500x8228". Others are flagged as reduced and tell their
    resolution, which counts if no second picture, of which they could be, has a page.
    """
    slide, *others = pictures
    n_under = len(slide.subifds or ())
    is_alone = all(page.is_reduced for page in others[n_under:])
    places = [Place(0, 1.0, size_of(slide))]
    for number, page in enumerate(others[: n_under or None], start=1):
        tagged = _relative_resolution(slide, page)
        is_described = _is_described_as_reduced(page)
        is_flagged = page.is_reduced and is_alone and tagged is not None
        may_be_padded = page.is_tiled and not is_described
        places += guess_places(
            size_of(slide),
            size_of(page),
            number=number,
            tile_px=(page.tilewidth, page.tilelength) if may_be_padded else None,
            tagged=tagged,
            is_reduced=n_under > 0 or is_flagged or is_described,
        )
    return sorted(places, key=lambda place: place.downsample)


def _is_described_as_reduced(page: tifffile.TiffPage) -> bool:
    found = re.search(r"->\s*(\d+)x(\d+)", page.description or "")
    return (
        found is not None
        and page.description.startswith("Aperio")
        and (int(found[1]), int(found[2])) == size_of(page)
    )


def _relative_resolution(slide: tifffile.TiffPage, page: tifffile.TiffPage) -> float | None:
    """How much larger the px of a page are than the slide's; None if tags do not say."""
    if slide.resolutionunit != page.resolutionunit:
        return None
    x, y = (a / b if b else 0 for a, b in zip(slide.resolution, page.resolution, strict=True))
    return (x + y) / 2 if min(x, y) > _SAME and 1 / _SAME < x / y < _SAME else None
