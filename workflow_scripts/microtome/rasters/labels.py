"""The labels of truth maps and tumour maps."""

NONE, WHOLE, VIABLE = 0, 1, 2
