"""Training of a network; one that was interrupted goes on to the same bytes.

In: patches with labels, an entry of ``models``. Out: ``results/models`` (weights, card, curves).
HistoCAE 2021: autoencoder pretraining, then the classifier; generalized framework: segmentation of
patches.
"""
