"""A block of a demo slide's pixels, and how coarse fields and repeating textures look in it."""

import numpy as np


class View:
    """One block of a slide: its pixels, and the level-0 px between nodes of coarse fields."""

    def __init__(self, rows: slice, columns: slice, *, step_px: int) -> None:
        self.rows, self.columns = rows, columns
        self._step_px = step_px

    def highest(self, field: np.ndarray) -> float:
        """Give the largest value that `enlarge` can give."""
        return float(self._take_nodes(field).max())

    def enlarge(self, field: np.ndarray) -> np.ndarray:
        """Give a coarse field at every pixel, interpolated linearly, float32."""
        # Written out, not as a product of matrices: those start threads, and round differently
        # on other processors.
        nodes = self._take_nodes(field).astype(np.float32, copy=False)
        tall = _stretch(nodes, self.rows, self._step_px)
        return _stretch(tall.T, self.columns, self._step_px).T

    def paper(self, texture: np.ndarray) -> np.ndarray:
        """Take the part of a repeating square texture that falls on the block.

        The texture's side has to be a multiple of the block's, and blocks must not straddle it.
        """
        side = len(texture)
        top, left = self.rows.start % side, self.columns.start % side
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return texture[top : top + height, left : left + width]

    def fibres(self, texture: np.ndarray, bend: np.ndarray) -> np.ndarray:
        """Draw a round-grained texture out to wavy strands, which another bends, float32."""
        y = np.arange(self.rows.start, self.rows.stop, dtype=np.float32)[:, None]
        x = np.arange(self.columns.start, self.columns.stop, dtype=np.float32)
        across = 0.8 * y - 0.6 * x + 16 * self.paper(bend)
        along = 0.6 * y + 0.8 * x
        side = len(texture)
        return texture[
            (1.9 * across).astype(np.int32) % side, (0.16 * along).astype(np.int32) % side
        ]

    def _take_nodes(self, field: np.ndarray) -> np.ndarray:
        """Take the nodes that the block depends on; beyond its ends a field goes on as it ends."""
        for axis, pixels in enumerate((self.rows, self.columns)):
            # Node i lies step_px // 2 px into its step; steps are even.
            first = (pixels.start - self._step_px // 2) // self._step_px
            last = (pixels.stop - 1 - self._step_px // 2) // self._step_px + 1
            field = field.take(np.arange(first, last + 1), axis=axis, mode="clip")
        return field


def _stretch(nodes: np.ndarray, pixels: slice, step_px: int) -> np.ndarray:
    """Interpolate along the first axis, from the nodes of a run of pixels to the pixels."""
    ramp = ((np.arange(step_px, dtype=np.float32) + 0.5) / step_px)[:, None]
    ramps = nodes[:-1, None] + (nodes[1:] - nodes[:-1])[:, None] * ramp
    skipped = (pixels.start - step_px // 2) % step_px
    return ramps.reshape(-1, nodes.shape[1])[skipped : skipped + pixels.stop - pixels.start]
