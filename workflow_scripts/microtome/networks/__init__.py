"""The networks of the papers, their losses and their weights.

In: an entry of ``models``. Out: a PyTorch module that gives scores of patches: HistoCAE and
MR-HistoCAE with their classifiers, the ensemble's FCNs, UNet++, RefineNet, SegNet, and comparators;
of nuclei, the crosswise sparse autoencoder and what starts from it.
"""
