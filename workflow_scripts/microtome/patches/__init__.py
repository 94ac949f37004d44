"""The grid of patches over a slide's tissue, and the patches themselves.

In: tissue, truth and slide. Out: ``results/grids`` (place, tissue and tumour share of each patch)
and ``results/patches`` (Zarr stores of JPEG patches). Patch extraction of all
four papers.
"""
