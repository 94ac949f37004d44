"""Scores of every patch of a slide by all networks of a model.

In: a slide, its grid, weights. Out: ``results/scores``: probability and variances of each patch or
px. Generalized framework: overlapped inference, test-time augmentation, ensemble.
"""
