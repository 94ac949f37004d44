"""Temperature and threshold from validation slides; how well probabilities hold.

In: heatmaps and truth. Out: ``results/calibration``, the calibration tables and the reliability
figure of ``results/evaluation``.
"""
