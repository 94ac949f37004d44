"""Maps of a slide that need not fit into memory: bands of rows, tiled TIFF, masks, outlines.

In: rows of a map. Out: files and measures of it: components, convex hull, polygons.
"""
