"""Whole-slide images: opened, inspected and read at a spacing.

In: the path of a slide. Out: its size, levels and spacing (``results/slides``), or what is wrong
with it; pixels of any region at any spacing, in µm/px.
"""
