"""Tissue distinguished from glass, padding and pen at low resolution.

In: a slide. Out: ``results/tissue`` (mask) and ``results/overviews`` (small picture). HSV and
Otsu's threshold, as in the generalized framework, section "preprocessing".
"""
