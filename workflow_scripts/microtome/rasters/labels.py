"""The labels of truth maps and tumour maps.

They are nested: viable tumour is part of the whole, which is all px of `WHOLE` or more.
"""

NONE, WHOLE, VIABLE = 0, 1, 2
