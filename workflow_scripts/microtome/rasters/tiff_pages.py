"""Whether a TIFF leaves open which of its px are meant, and which way up they are."""

from itertools import islice

from tifffile import TiffFile, TiffPage

_ORIENTATION, _TURNED = 274, range(2, 9)
_MOST_PAGES = 100


def find_doubt(tiff: TiffFile, page: TiffPage) -> str | None:
    """Say what a TIFF leaves open of a page, and the remedy, to be put after its name; or None.

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
    ...         find_doubt(tiff, tiff.pages[0])[:28]
    'holds 2 pictures of one size'
    """
    orientation = page.tags.valueof(_ORIENTATION, 1)
    if orientation in _TURNED:
        return (
            f"says that its px are stored turned or mirrored (Orientation {int(orientation)}),"
            " which some readers obey and others do not; turn them (vips autorot IN OUT)"
        )
    n_pictures = count_pictures(tiff, page)
    if n_pictures == 1:
        return None
    return (
        f"holds {n_pictures} pictures of one size, as channels, focal planes or times are, and"
        " nothing says which is meant; write that one alone (vips tiffload IN OUT.tif --page 0)"
    )


def count_pictures(tiff: TiffFile, page: TiffPage) -> int:
    """Count the pages of the size and layout of one: channels, focal planes or times."""
    alike = {
        other.offset  # pages may lead back to the first
        for other in islice(tiff.pages, _MOST_PAGES)
        if (other.imagewidth, other.imagelength) == (page.imagewidth, page.imagelength)
        and other.is_tiled == page.is_tiled  # the thumbnail of a tiny slide is not
        and not other.is_mask  # which says which px of another page hold data
    }
    # ImageJ describes a stack of more than 4 GB by its first page alone.
    return max(1, len(alike), (tiff.imagej_metadata or {}).get("images", 1))
