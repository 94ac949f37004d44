"""Archives in the form that a challenge accepts, checked, with a record of their origin.

In: tumour maps, lesions or stages. Out: ``results/submissions``: archive and provenance.
"""
