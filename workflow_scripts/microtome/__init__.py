"""Microtome's library: what the workflow's scripts call and what is tested without Snakemake."""

__version__ = "0.1.0"
