"""PAIP 2019, CAMELYON16, CAMELYON17 and DigestPath: their folders, lesions and official scores.

In: folders as downloaded, submissions, truth. Out: slide sheets, ``results/lesions``,
``results/scoring``.
"""
