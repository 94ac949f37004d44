"""What is to be made: models and folds, the memory and time of jobs, the code behind a rule.

In: config and sheet. Out: what the rules ask for. Nothing here imports PyTorch: each job of a
cluster reads the Snakefile anew.
"""
