"""From a heatmap to viable tumour, whole tumour, burden and outlines; votes; maps compared.

In: heatmap and tissue. Out: ``results/tumour``, ``results/burden``, ``results/polygons``,
``results/figures``, ``results/votes``, ``results/comparison``. Generalized framework: viable
tumour burden by the convex hull; joint classification and segmentation: majority voting; HistoCAE:
models side by side.
"""
