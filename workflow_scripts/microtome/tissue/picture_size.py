"""The size of the small picture of a slide: figures lay maps on it without opening the slide."""

MAX_SIDE_PX = 1536


def picture_step(shape: tuple[int, ...]) -> int:
    """Px of the overview per px of its picture: a whole number, 1 for all but large slides."""
    return -(-max(shape[:2]) // MAX_SIDE_PX)
