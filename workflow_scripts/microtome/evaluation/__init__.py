"""Maps and burdens against the truth; models against each other.

In: tumour maps, scores, truth. Out: ``results/evaluation``: scores of slides and models,
Table 1 of HistoCAE 2021, tests between models, box plots.
"""
