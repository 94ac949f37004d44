"""Tissue distinguished from glass, padding and pen at low resolution.

In: a slide. Out: ``results/tissue`` (mask) and ``results/overviews`` (small picture). By optical
density, or as in the generalized framework, section "tissue mask generation", by HSV and Otsu.
"""
