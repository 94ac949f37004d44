"""What a child process of a test runs; a spawned one imports it from here."""

import numpy as np


def child_reads(store, row, queue):
    """Read in a child, with a lock that a thread of the parent held when it was made."""
    out = np.empty(store.shape, np.uint8)
    store.read(row, out)
    queue.put(out)
