#!/usr/bin/env bash
# OpenSlide 4.0.1 (openslide-bin 4.0.1.2, openslide-python 1.4.7), seen 2026-11-29: of a generic TIFF a fourth channel that says it is unspecified (an infrared plane, a saved
# selection) is taken for alpha, and changes the colours; of three channels that say they are grey (three dyes) only the first is shown, as grey. No error, no property.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openslide-bin==4.0.1.2 openslide-python==1.4.7 tifffile==2026.3.3
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import openslide
import tifffile


def show(pixels, **form):
    """The first px as OpenSlide gives it."""
    tifffile.imwrite("a.tif", pixels, tile=(64, 64), metadata=None, planarconfig="contig", **form)
    with openslide.OpenSlide("a.tif") as slide:
        return slide.read_region((0, 0), 0, (1, 1)).getpixel((0, 0))


fourth = np.full((64, 64, 4), (200, 100, 50, 128), np.uint8)
unspecified = show(fourth, photometric="rgb", extrasamples=["unspecified"])
grey = show(fourth[..., :3].copy(), photometric="minisblack")
print(f"OpenSlide {openslide.__library_version__}: (200, 100, 50) and an unspecified 128 become {unspecified},")
print(f"three grey channels of 200, 100, 50 become {grey}")
assert unspecified[3] == 128
assert unspecified[:3] != (200, 100, 50)
assert grey == (200, 200, 200, 255)
PYTHON
