"""The learning rate of an epoch, and when training ends early.

Both follow from the epoch and the losses before it, so a run that resumes needs no state for them.
"""

import math
from collections.abc import Sequence


def learning_rate_of(
    epoch: int, *, base: float, epochs: int, schedule: dict, losses: Sequence[float]
) -> float:
    """Learning rate of an epoch.

    Parameters
    ----------
    epoch, epochs : int
        Which one, from 1 on, of at most how many.
    base : float
        That of the first epoch.
    schedule : dict
        ``kind`` and its settings. 'constant'. 'cosine': half a cosine down to 0 after the last
        epoch. 'step': times ``factor`` after every ``every`` epochs. 'plateau': times ``factor``
        whenever the loss has had no new minimum for more than ``patience`` epochs.
    losses : sequence of float
        What is to fall, of every epoch before this one: validation loss, or training loss where
        nothing is validated.

    Examples
    --------
    >>> halved = {"kind": "step", "every": 2, "factor": 0.5}
    >>> [learning_rate_of(n, base=0.8, epochs=4, schedule=halved, losses=()) for n in (1, 2, 3, 4)]
    [0.8, 0.8, 0.4, 0.4]
    """
    kind = schedule["kind"]
    if kind == "cosine":
        return base * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
    if kind == "step":
        return base * schedule["factor"] ** ((epoch - 1) // schedule["every"])
    if kind == "plateau":
        return base * schedule["factor"] ** _plateaus(losses, patience=schedule["patience"])
    return base


def _plateaus(losses: Sequence[float], *, patience: int) -> int:
    best, waited, n = math.inf, 0, 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited > patience:
            n, waited = n + 1, 0
    return n


def should_stop_early(losses: Sequence[float], *, patience: int | None) -> bool:
    """Say whether the loss has had no new minimum for `patience` epochs; None: never."""
    if patience is None or not losses:
        return False
    return len(losses) - 1 - losses.index(min(losses)) >= patience


def find_stage(
    epoch: int, losses: Sequence[float], *, frozen_epochs: int, frozen_patience: int | None
) -> tuple[bool, int]:
    """Say whether the encoder stands still in an epoch, and how many epochs came before its stage.

    It stands still in `frozen_epochs` epochs. With a `frozen_patience` that is a stage of its own,
    which also ends once so many of its epochs have had no new minimum of the loss; then learning
    rate and early stopping begin anew. Without, all epochs are one stage.

    Examples
    --------
    >>> losses = [0.9, 0.5, 0.6, 0.7]  # of the epochs before the fifth
    >>> find_stage(5, losses, frozen_epochs=10, frozen_patience=2)
    (False, 4)
    >>> find_stage(5, losses, frozen_epochs=10, frozen_patience=3)
    (True, 0)
    """
    if frozen_patience is None:
        return epoch <= frozen_epochs, 0
    ends = (
        n
        for n in range(1, min(epoch, frozen_epochs))
        if should_stop_early(losses[:n], patience=frozen_patience)
    )
    end = next(ends, frozen_epochs)
    return (True, 0) if epoch <= end else (False, end)
