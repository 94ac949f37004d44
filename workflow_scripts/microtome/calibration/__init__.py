"""Temperature and threshold from validation slides; how far probabilities are to be trusted.

In: heatmaps and truth. Out: ``results/calibration``, the calibration tables and the reliability
figure of ``results/evaluation``.
"""
