"""Whether a TIFF leaves open which of its px are meant, and which way up they are."""

from itertools import islice

from tifffile import TiffFile

_ORIENTATION, _TURNED = 274, range(2, 9)
_TRANSPARENCY = 4  # in NewSubfileType: says which px of another page hold data
_MOST_PAGES = 100


def find_doubt(tiff: TiffFile) -> str | None:
    """Say what a TIFF leaves open, and the remedy, to be put after its name; None if nothing.

    Readers differ in whether they turn a picture as the tag Orientation says. Of channels, focal
    planes or times the first need not be the one that is meant.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> import numpy as np
    >>> import tifffile
    >>> with NamedTemporaryFile(suffix=".tif") as file:
    ...     tifffile.imwrite(file.name, np.zeros((2, 64, 80), np.uint8), photometric="minisblack")
    ...     with TiffFile(file.name) as tiff:
    ...         find_doubt(tiff)[:28]
    'holds 2 pictures of one size'
    """
    orientation = tiff.pages.first.tags.valueof(_ORIENTATION, 1)
    if orientation in _TURNED:
        return (
            f"says that its px are stored turned or mirrored (Orientation {int(orientation)}),"
            " which some readers obey and others do not; turn them (vips autorot IN OUT)"
        )
    n_pictures = count_pictures(tiff)
    if n_pictures == 1:
        return None
    return (
        f"holds {n_pictures} pictures of one size, as channels, focal planes or times are, and"
        " nothing says which is meant; write that one alone (vips copy 'IN[page=0]' OUT)"
    )


def count_pictures(tiff: TiffFile) -> int:
    """Count the pages of the first one's size and layout: channels, focal planes or times."""
    first = tiff.pages.first
    like_first = {
        page.offset  # pages may lead back to the first
        for page in islice(tiff.pages, _MOST_PAGES)
        if (page.imagewidth, page.imagelength) == (first.imagewidth, first.imagelength)
        and page.is_tiled == first.is_tiled  # the thumbnail of a tiny slide is not
        and not page.subfiletype & _TRANSPARENCY
    }
    # ImageJ describes a stack of more than 4 GB by its first page alone.
    return max(1, len(like_first), (tiff.imagej_metadata or {}).get("images", 1))
