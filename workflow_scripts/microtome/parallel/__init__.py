"""Processes: teams of readers, steps in a shared process, sandboxes, local copies of slides.

In: work to spread. Out: its results in order, or the one line that says what failed.
"""
