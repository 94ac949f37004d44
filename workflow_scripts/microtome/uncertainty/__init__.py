"""How unsure a model is of a slide, and whether that points at its mistakes.

In: variances of the scores, burdens of an ensemble's members. Out: ``results/uncertainty``,
with an interval of the burden.
Generalized framework: aleatoric and epistemic uncertainty.
"""
