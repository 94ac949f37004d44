#!/usr/bin/env bash
# tifffile 2026.3.3, seen 2026-11-29: a classic TIFF that is named .ndpi is read with Hamamatsu's offsets of 8 bytes, because of its name: it has no
# pages, without an error before the first is asked for. OpenSlide 4.0.1 (openslide-bin 4.0.1.2) goes by the content, and reads it under either name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tifffile==2026.3.3 numpy openslide-python==1.4.7 openslide-bin==4.0.1.2
cd "$folder"
venv/bin/python - <<'PYTHON'
import logging
import shutil

import numpy as np
import openslide
import tifffile

logging.disable()  # tifffile logs "invalid offset to first page"
pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
form = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
tifffile.imwrite("a.tif", pixels, photometric="rgb", tile=(64, 64), metadata=None, **form)
shutil.copy("a.tif", "a.ndpi")
n_pages, mpp = {}, {}
for name in ("a.tif", "a.ndpi"):
    with tifffile.TiffFile(name) as tiff:
        n_pages[name] = len(tiff.pages)
    with openslide.OpenSlide(name) as slide:
        mpp[name] = slide.properties["openslide.mpp-x"]
print(f"tifffile {tifffile.__version__}: pages {n_pages}")
print(f"OpenSlide {openslide.__library_version__}: openslide.mpp-x {mpp}")
assert n_pages == {"a.tif": 1, "a.ndpi": 0}
assert mpp == {"a.tif": "0.5", "a.ndpi": "0.5"}
PYTHON
