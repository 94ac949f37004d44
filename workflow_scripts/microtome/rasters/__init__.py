"""Maps of a slide that need not fit into memory: bands of rows, tiled TIFF, masks, outlines.

In: rows of a map. Out: its file; its components, convex hull and outlines.
"""
