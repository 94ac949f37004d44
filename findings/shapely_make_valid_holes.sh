#!/usr/bin/env bash
# shapely.make_valid, by default, adds the part of a hole that lies outside the outline to the area
# (a square of 100 px with a 16 px hole over its corner becomes 108 px); method="structure" and
# buffer(0) give the 96 px that are inside the outline and not in the hole.
# shapely 2.1.2 (GEOS 3.13.1), seen on 2026-11-29.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet shapely==2.1.2
"$folder/venv/bin/python" - <<'PYTHON'
import shapely

square = [(0, 0), (10, 0), (10, 10), (0, 10)]
hole = [(8, 8), (12, 8), (12, 12), (8, 12)]
polygon = shapely.Polygon(square, [hole])
areas = {
    "default": shapely.make_valid(polygon).area,
    "structure": shapely.make_valid(polygon, method="structure", keep_collapsed=False).area,
    "buffer(0)": polygon.buffer(0).area,
}
print(f"shapely {shapely.__version__}, GEOS {shapely.geos_version_string}: {areas}")
assert not polygon.is_valid
assert areas == {"default": 108.0, "structure": 96.0, "buffer(0)": 96.0}
PYTHON
