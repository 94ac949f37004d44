"""Cells of the image sheet that hold several words."""


def list_words(cell: str, separator: str) -> list[str]:
    """List what a cell has between separators.

    Examples
    --------
    >>> list_words("round; large", ";"), list_words("", ";")
    (['round', 'large'], [])
    """
    return [part.strip() for part in cell.split(separator)] if cell else []
