"""Colours of the labels of a tumour map, in figures and in outlines for QuPath."""

VIABLE_COLOUR, WHOLE_COLOUR = "#c2185b", "#f9a825"
