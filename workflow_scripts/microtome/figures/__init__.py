"""What all figures share: colours, panels, how they are saved.

In: arrays. Out: drawings on Matplotlib's axes; PNG with the same bytes each time.
"""
