"""Slides as the latents of an autoencoder, and back.

In: a slide and HistoCAE's autoencoder. Out: ``results/latents``, ``results/reconstructions``,
``results/compression``. HistoCAE 2021: reconstruction from the latent space.
"""
