"""A SLURM cluster of several nodes on one host, for tests, and the tests that need one."""
