"""Outlines and masks of a slide as one truth map.

In: annotations (PAIP and ASAP XML, GeoJSON, masks). Out: ``results/truth``: a map with the labels
of `microtome.rasters.labels`, its tumour burden, and what is odd about it.
"""
