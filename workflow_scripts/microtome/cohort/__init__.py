"""The slide sheet and the config, checked; which slides are used and which are excluded.

In: ``slides.tsv``, ``config.yaml`` and how each step went. Out: rows and settings that the rest
may rely on, splits and folds, ``results/cohort.tsv``. Refused with one line: whatever is not
understood.
"""
