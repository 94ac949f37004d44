"""What training patches are read from: anything that has the patches of a slide, or their truth."""

from typing import Protocol

import numpy as np

from microtome.training.random_placement import STILL, Move


class Source(Protocol):
    """The patches of one slide, wherever they are read from.

    Attributes
    ----------
    slide : str
        The slide's id.
    label : ndarray of shape (n_patches,), int8
        1 tumour, 0 not, -1 unknown.
    shape : tuple of int
        Of one patch: (spacings, side, side, 3).
    """

    slide: str
    label: np.ndarray
    shape: tuple[int, int, int, int]

    def read(self, row: int, out: np.ndarray) -> None:
        """Read one patch into `out`, of `shape`, uint8; in any thread."""

    def identity(self) -> str:
        """Which patches these are, for a checkpoint to know its own."""


class Truth(Protocol):
    """What is true of the patches of one slide, px by px."""

    def read(self, row: int, out: np.ndarray) -> None:
        """Read the truth of the patch in a row of the source into `out`, (side, side), uint8."""


class MovableSource(Source, Protocol):
    """A source that can read a patch elsewhere than where it lies; a store cannot."""

    def read(self, row: int, out: np.ndarray, move: Move = STILL) -> None:
        """Read one patch, moved, into `out`, of `shape`, uint8; in any thread."""


class MovableTruth(Truth, Protocol):
    """The truth of such patches."""

    def read(self, row: int, out: np.ndarray, move: Move = STILL) -> None:
        """Read the truth of a patch that is moved by the same."""
