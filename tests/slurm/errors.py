"""What goes wrong with the test cluster, in one line."""


class ClusterError(RuntimeError):
    """The test cluster cannot be started, asked or stopped; its text says why and what to do."""
