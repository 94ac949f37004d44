"""Nuclei of slides and images: where they are, how sure, how blue.

In: a slide or an image, its tissue mask, a network that detects nuclei. Out: ``results/nuclei``,
one table a slide. Crosswise sparse autoencoder: Sections 4.3, 5.3 and 5.6.2.
"""
