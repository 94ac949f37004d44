"""Archives that a challenge accepts, checked, with what they were made from.

In: tumour maps, lesions or stages. Out: ``results/submissions``: archive and provenance.
"""
