"""Overlapping patch scores stitched into one heatmap of a slide.

In: ``results/scores``. Out: ``results/heatmaps``, a byte for each px (`microtome.heatmaps.codes`).
Generalized framework: blending of overlapped patches.
"""
