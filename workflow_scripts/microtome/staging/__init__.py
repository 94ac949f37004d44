"""From heatmaps of lymph nodes to pN stages of patients.

In: heatmaps of nodes. Out: ``results/features`` and ``results/staging``. Generalized framework: 32
features, random forests, pN rules; and the rule of the largest lesion's size.
"""
