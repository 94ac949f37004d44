"""A procedural cohort: slides of liver and lymph nodes with their truth in every format.

In: the ``demo`` section of the config. Out: ``demo/cohort``.
"""
