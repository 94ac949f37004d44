"""What the px of a slide's file are, by what it says: all but RGB of 8 bits are refused here.

Most other px can be opened as well, but end as wrong colours, or as a slide without tissue.
"""

import tifffile
from PIL import Image

from microtome.errors import InputError
from microtome.rasters.tiff_pages import count_pictures, find_doubt
from microtome.slides.tile_decoding import COMPRESSIONS, JPEG, RGB, YCBCR

_OUT = "'OUT.tif[tile,pyramid,bigtiff]'"
_AS_SCANNED = "give the slide as it was scanned, in RGB of 8 bits"
NEEDS_COLOURS = f"H&E is told from glass by its colours; {_AS_SCANNED}"
_TO_RGB = f"convert them (vips colourspace IN {_OUT} srgb)"
_UPRIGHT = f"turn them (vips autorot IN {_OUT})"
_SCALE = (
    f"scale them so that white is 255 (vips linear IN {_OUT} F 0 --uchar, where F is 255 / the"
    " value of white: 4095 of 12 bits, 65535 of 16, mostly 1 of float)"
)

_PHOTOMETRIC, _GREYS, _PALETTE = 262, (0, 1), 3
_N_COLOURS = {RGB: 3, YCBCR: 3, _PALETTE: 1}
_ALPHA = (1, 2)  # ExtraSamples: multiplied into the colours, or not
_UNSIGNED = 1
# Compressions that OpenSlide reads in tiles of any form of RGB, and Pillow in strips.
_BY_OPENSLIDE = frozenset((1, 5, JPEG, 8, 32773, 32946, 33003, 33005, 50000))
_BY_PILLOW = frozenset((1, 5, JPEG, 8, 32773, 32946, 34925, 50000))
_EXIF_ORIENTATION, _TURNED = 274, range(2, 9)


def require_rgb_tiff(tiff: tifffile.TiffFile, page: tifffile.TiffPage, *, about: str) -> None:
    """Raise InputError, which begins with `about`, if the page of a slide is not RGB of 8 bits.

    A palette, YCbCr and alpha are forms of it. So are ICC profiles, which are not applied.
    """
    fault = _find_fault(tiff, page) or find_doubt(tiff, page)
    if fault:
        raise InputError(f"{about} {fault}")


def _find_fault(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> str | None:
    """Say what the px are other than RGB of 8 bits, and the remedy; None if nothing."""
    kind, n_channels = page.photometric, page.samplesperpixel
    n_colours = _N_COLOURS.get(kind, n_channels)
    extra = page.extrasamples if n_channels > n_colours else ()
    fault = None
    if _PHOTOMETRIC not in page.tags:
        fault = f"does not say what its channels are (PhotometricInterpretation); {_AS_SCANNED}"
    elif kind in _GREYS and n_channels > 1:
        fault = (
            f"has {n_channels} grey channels, as fluorescence has; if they are red, green and blue,"
            f" say so in the file (vips copy IN {_OUT} --interpretation srgb)"
        )
    elif kind in _GREYS and (n_pictures := count_pictures(tiff, page)) > 1:
        fault = (
            f"has {n_pictures} pictures of one grey channel, as fluorescence has; if they are red,"
            " green and blue of one, join them"
            f" (vips bandjoin 'IN[page=0] IN[page=1] IN[page=2]' {_OUT})"
        )
    elif kind in _GREYS:
        fault = f"has px of one grey channel; {NEEDS_COLOURS}"
    elif kind not in _N_COLOURS:
        fault = f"has px in {getattr(kind, 'name', kind)}, not in RGB; {_TO_RGB}"
    elif n_channels != n_colours + len(extra) or len(extra) > 1 or {*extra} - {*_ALPHA}:
        fault = (
            f"has {n_channels} channels a px, and does not say that those beyond its colours are"
            f" alpha; keep the colours alone (vips extract_band IN {_OUT} 0 --n 3)"
        )
    elif page.bitspersample != 8 or page.sampleformat != _UNSIGNED:
        dtype = page.dtype or "unknown"
        fault = f"has {page.bitspersample} bits a channel ({dtype}), not 8 unsigned; {_SCALE}"
    elif page.compression not in _list_readable(page):
        name = getattr(page.compression, "name", "unknown")
        fault = (
            f"is compressed as {name} ({int(page.compression)}), which nothing here decodes in"
            f" {'tiles' if page.is_tiled else 'strips'} of such px; convert it"
            " (vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --bigtiff)"
        )
    return fault


def _list_readable(page: tifffile.TiffPage) -> frozenset[int]:
    """List the compressions in which the px of a page can be read, as TIFF numbers them."""
    if not page.is_tiled:
        return _BY_PILLOW
    is_decoded_here = page.photometric == RGB and page.samplesperpixel == 3
    return _BY_OPENSLIDE | (COMPRESSIONS if is_decoded_here and page.planarconfig == 1 else set())


def require_rgb_image(image: Image.Image, *, about: str) -> None:
    """Raise InputError, which begins with `about`, if an opened image is not RGB of 8 bits."""
    fault = None
    if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I;16"):
        fault = f"has px of one grey channel ({image.mode}); {NEEDS_COLOURS}"
    elif image.mode not in ("RGB", "RGBA", "P", "PA"):
        fault = f"has px in {image.mode}, not in RGB; {_TO_RGB}"
    elif any(";16" in str(tile.args) for tile in image.tile):  # Pillow would cut off 8 of them
        fault = f"has 16 bits a channel, not 8; {_SCALE}"
    elif image.getexif().get(_EXIF_ORIENTATION) in _TURNED:
        fault = f"says in its EXIF data that its px are stored turned or mirrored; {_UPRIGHT}"
    if fault:
        raise InputError(f"{about} {fault}")
