"""What is to be made: models and folds, the memory and time of jobs, the code behind a rule.

In: config and sheet. Out: inputs, parameters and resources of the rules. Nothing here imports
PyTorch: each job of a cluster reads the Snakefile anew.
"""
