#!/usr/bin/env bash
# OpenSlide 4.0.1 (openslide-bin 4.0.1.2, openslide-python 1.4.7), seen 2026-11-29: of a generic TIFF with the tag Orientation each tile is turned within its place and no
# tile is moved, so the picture is neither what is stored (as tifffile gives it) nor what is meant (as Pillow gives it).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openslide-bin==4.0.1.2 openslide-python==1.4.7 tifffile==2026.3.3 pillow==13.0.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import openslide
import tifffile
from PIL import Image

stored = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
turned_by_180 = [(274, 3, 1, 3, True)]
tifffile.imwrite("a.tif", stored, tile=(64, 64), photometric="rgb", metadata=None, extratags=turned_by_180)
meant = stored[::-1, ::-1]
in_place = stored.reshape(2, 64, 2, 64, 3)[:, ::-1, :, ::-1].reshape(stored.shape)
with openslide.OpenSlide("a.tif") as slide:
    shown = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
print(f"OpenSlide {openslide.__library_version__}, Orientation 3: as stored {(shown == stored).all()},")
print(f"as meant {(shown == meant).all()}, each tile turned in its place {(shown == in_place).all()}")
assert (shown == in_place).all()
assert (tifffile.imread("a.tif") == stored).all()
assert (np.asarray(Image.open("a.tif")) == meant).all()
PYTHON
