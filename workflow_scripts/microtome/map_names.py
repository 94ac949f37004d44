"""What the maps of a patch are called, in batches and in stores."""

PROBABILITY, ALEATORIC, EPISTEMIC = "probability", "aleatoric", "epistemic"


def of_member(name: str, part: str) -> str:
    """The name of the map of one member of an ensemble."""
    return f"{name}.{part}"
