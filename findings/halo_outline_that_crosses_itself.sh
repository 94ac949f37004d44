#!/usr/bin/env bash
# pyhaloxml 3.1.2 (with shapely 2.2.0), seen 2026-11-29: an outline of HALO that crosses itself, as the end of most strokes of a pen does, becomes a
# LineString of area 0 in region_to_shapely and layer_to_shapely, without a word; as_geojson gives the same region as a Polygon.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyhaloxml==3.1.2 shapely==2.2.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version
from pathlib import Path

import shapely
from pyhaloxml import HaloXML
from pyhaloxml.shapely import region_to_shapely

# A square of 100 px whose last stroke ends 5 px beyond its first.
corners = [(0, 0), (100, 0), (100, 100), (0, 100), (0, 10), (5, -5), (0, 0)]
vertices = "".join(f'<V X="{x}" Y="{y}"/>' for x, y in corners)
Path("a.annotations").write_text(
    '<Annotations><Annotation Name="Tumor" Visible="True" LineColor="255"><Regions>'
    f'<Region Type="Polygon" HasEndcaps="0" NegativeROA="0"><Vertices>{vertices}</Vertices>'
    "<Comments/></Region></Regions></Annotation></Annotations>"
)
halo = HaloXML()
halo.load(Path("a.annotations"))
(region,) = halo.layers[0].regions
drawn = shapely.make_valid(shapely.Polygon(corners)).area
found = region_to_shapely(region)
as_geojson = shapely.geometry.shape(region.as_geojson())
print(f"pyhaloxml {version('pyhaloxml')}: drawn {drawn:g} px², read as {found.geom_type} of {found.area:g} px²,")
print(f"as GeoJSON as {as_geojson.geom_type}")
assert drawn > 9900
assert (found.geom_type, found.area) == ("LineString", 0)
assert as_geojson.geom_type == "Polygon"
PYTHON
