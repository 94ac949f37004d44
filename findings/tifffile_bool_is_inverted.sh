#!/usr/bin/env bash
# tifffile.imwrite of a bool array, without photometric, writes True as black (MINISWHITE): Pillow,
# and whatever else obeys the tag, shows the negative. tifffile.imread ignores the tag, so a round
# trip through tifffile shows nothing of it. The same array as uint8 is not inverted.
# tifffile 2026.3.3, Pillow 12.0.0, seen on 2026-11-29.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tifffile==2026.3.3 pillow==12.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import tifffile
from PIL import Image

mask = np.zeros((4, 6), bool)
mask[1, 2:4] = True
tifffile.imwrite("bool.tif", mask)
tifffile.imwrite("uint8.tif", mask.astype(np.uint8))
tifffile.imwrite("told.tif", mask, photometric="minisblack")
shown = {}
for name in ("bool.tif", "uint8.tif", "told.tif"):
    with Image.open(name) as image:
        shown[name] = int(np.count_nonzero(np.asarray(image)))
    assert np.array_equal(tifffile.imread(name), mask)
print(f"tifffile {tifffile.__version__}: of {mask.sum()} px True, Pillow shows as not black {shown}")
assert shown == {"bool.tif": 22, "uint8.tif": 2, "told.tif": 2}
PYTHON
