"""Nuclei found on labelled images against their truth; nucleus models against each other.

In: predictions of labelled images, their truth. Out: ``results/nuclei/scores`` and
``results/nuclei/evaluation``: Tables 3 to 7 of the crosswise sparse CAE paper (Hou et al. 2019,
section 5.6), precision-recall curves, thresholds chosen on validation images.
"""
