"""The slide sheet and the config, checked; which slides are used and which are excluded.

In: ``slides.tsv``, ``config.yaml``, the status files of each slide's steps. Out: rows and settings
that all else may rely on, splits and folds, ``results/cohort.tsv``; or one line that
names a mistake.
"""
