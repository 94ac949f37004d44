"""Patches moved at random: another centre and another spacing in every epoch.

The shift is that of Khened et al. 2021 (generalized framework, "Data augmentation": the centre
within 128 px of the patch's own), the zoom the scaling of Park et al. 2022 (joint classification
and segmentation).
"""

from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np

# Of one patch; eight bytes, for ten million have to fit.
_MOVE = np.dtype([("x_px", np.int16), ("y_px", np.int16), ("zoom", np.float32)])


class Move(NamedTuple):
    """Where a patch is read: how far to the right and below its own centre, in patch px.

    Its spacing is `zoom` times its own; above 1 it shows more of the slide.
    """

    x_px: int = 0
    y_px: int = 0
    zoom: float = 1.0


STILL = Move()


class Augmentation:
    """How far patches are changed at random, as a dataclass of numbers; 0 is not at all."""

    @classmethod
    def of(cls, augmentation: dict) -> Self | None:
        """Take what is set in the section ``augmentation`` of an entry; None where nothing is.

        Examples
        --------
        >>> Moves.of({"shift_px": 128, "hue": 0.1})
        Moves(shift_px=128, zoom=0.0)
        """
        given = {f.name: augmentation[f.name] for f in fields(cls) if augmentation.get(f.name)}
        return cls(**given) if given else None


@dataclass(frozen=True)
class Moves(Augmentation):
    """How far patches are moved, by keys of the config's `augmentation`.

    Parameters
    ----------
    shift_px : int
        The centre is moved by whole px, uniformly among all within this distance: at the slide's
        own spacing a moved patch is pixels of the slide as they are. At most 1024.
    zoom : float
        The spacing is multiplied by a number uniform in 1 - `zoom` ... 1 + `zoom`; below 1.
    """

    shift_px: int = 0
    zoom: float = 0.0

    def draw(self, n: int, *, seed: int, epoch: int) -> np.ndarray:
        """Draw the moves of the n patches of an epoch; they follow from seed and epoch alone.

        An array of shape (n,) with the fields of `Move`, int16 and for the zoom float32.
        """
        generator = np.random.default_rng([seed, epoch, 1])
        moves = np.empty(n, _MOVE)
        radius = self.shift_px
        y_px, x_px = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        within = np.argwhere(x_px**2 + y_px**2 <= radius**2).astype(np.int16) - radius
        chosen = within[generator.integers(0, len(within), n, dtype=np.int32)]
        moves["y_px"], moves["x_px"] = chosen.T
        moves["zoom"] = generator.uniform(1 - self.zoom, 1 + self.zoom, n)
        return moves
