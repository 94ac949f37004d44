"""What all figures share: colours, type, panels.

In: arrays. Out: axes drawn on; PNG with the same bytes each time.
"""
