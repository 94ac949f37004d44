"""Training of a network, resumable to the same bytes.

In: patches with labels, a registry entry. Out: ``results/models`` (weights, card, curves).
HistoCAE 2021: autoencoder pretraining, then the classifier; generalized framework: segmentation of
patches.
"""
