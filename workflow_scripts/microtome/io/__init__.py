"""Files: written whole or not at all; tables, JSON, sharded Zarr, JPEG.

In: plain data. Out: files that are never half-written.
"""
