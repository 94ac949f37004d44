"""Slides stored as the latents of an autoencoder, and decoded from them; autoencoders compared.

In: a slide and HistoCAE's autoencoder. Out: ``results/latents``, ``results/reconstructions``,
``results/compression``, ``results/autoencoders``. HistoCAE 2021: reconstruction from the latent
space.
"""
