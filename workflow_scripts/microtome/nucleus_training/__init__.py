"""Training of networks that find nuclei: first without labels, then with.

In: slides and grids over their tissue, labelled images, an entry of ``models``. Out:
``results/models`` (weights, card, curves). Crosswise sparse autoencoder 2019, sections 4 and 5.1 to
5.4.
"""
