"""Attributes and classes of the nuclei of a slide, by a classifier that looks at each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from microtome.networks.batch_norm_folding import fold_into_convolutions
from microtome.networks.devices import default_device
from microtome.nuclei.around_nuclei import read_around_nuclei
from microtome.nuclei.probabilities import cut_crops, predict_crops
from microtome.nuclei.table import PROBABILITY
from microtome.slides.slide import Slide

_INNER_PX = 1024
# A nucleus of less than this of every attribute is of no class.
_OF_CLASS_FROM = 0.5
# Nuclei whose crops are held at a time.
_AT_A_TIME = 32


class NucleusClasses:
    """Says of nuclei which attributes they have, each from the px around it alone.

    Parameters
    ----------
    network : Module
        A classifier, as for `microtome.nuclei.probabilities.predict_attributes`.
    attributes : sequence of str
        Names of its outputs.
    side_px : int
        Side of the images that it looks at.
    shift_px : int
        How far from a nucleus the outermost of its 25 crops lie; with 0 there is one.

    Attributes
    ----------
    inner_px, margin_px, lattice_px : int
        See `microtome.nuclei.windows.Sided`.
    """

    inner_px, lattice_px = _INNER_PX, 1

    def __init__(
        self, network: nn.Module, attributes: Sequence[str], *, side_px: int, shift_px: int
    ) -> None:
        self.attributes = tuple(attributes)
        self._side_px, self._shift_px = side_px, shift_px
        self._around_px = side_px + 2 * shift_px
        self.margin_px = self._around_px // 2 + 1
        folded = fold_into_convolutions(network)
        self._network = folded.to(default_device(), memory_format=torch.channels_last)

    def classify(
        self, pixels: np.ndarray, x_px: np.ndarray, y_px: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Give ``probability_NAME`` of each attribute and ``class`` of nuclei at places (n,).

        The class is the attribute of the highest probability, if that is 0.5 or more, else ''.
        `pixels` has the margin around all places.
        """
        probabilities = np.empty((len(x_px), len(self.attributes)), np.float32)
        # Of two px as near always the same one, wherever places are counted from: not rint.
        shift = (1 - self._around_px) / 2
        columns, rows = (np.floor(place + shift).astype(int).tolist() for place in (x_px, y_px))
        for first in range(0, len(x_px), _AT_A_TIME):
            part = slice(first, first + _AT_A_TIME)
            crops = [
                cut_crops(
                    pixels[row : row + self._around_px, column : column + self._around_px],
                    side_px=self._side_px,
                    shift_px=self._shift_px,
                )
                for row, column in zip(rows[part], columns[part], strict=True)
            ]
            probabilities[part] = predict_crops(self._network, np.stack(crops))
        return name_classes(self.attributes, probabilities)


def name_classes(attributes: Sequence[str], probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Name the class of nuclei by the probabilities of their attributes, (n, n_attributes).

    Examples
    --------
    >>> found = name_classes(["a", "b"], np.array([[0.2, 0.7], [0.4, 0.3], [0.5, np.nan]]))
    >>> found["class"].tolist(), found["probability_a"].tolist()
    (['b', '', ''], [0.2, 0.4, 0.5])
    """
    names = np.array([*attributes, ""], object)
    best = probabilities.argmax(axis=1)
    is_one = probabilities.max(axis=1) >= _OF_CLASS_FROM  # false of what is no number
    columns = {PROBABILITY + name: probabilities[:, i] for i, name in enumerate(attributes)}
    return columns | {"class": names[np.where(is_one, best, len(attributes))]}


def classify_nuclei(
    classes: NucleusClasses,
    slide: Slide,
    table: str | Path,
    *,
    scale: float,
    inner_px: int | None = None,
    threads: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Classify the nuclei of a slide's table, window by window.

    Parameters are those of `microtome.nuclei.outlines.outline_nuclei`. What is said of a nucleus
    does not depend on the windows; only where the slide has to be resampled the rounding of px
    does.

    Yields
    ------
    dict of str to ndarray
        All columns of the nuclei of a window, with those of `NucleusClasses.classify`. Where the
        slide cannot be decoded these are NaN and empty.

    Raises
    ------
    InputError
        If the slide has changed while it was read, or the network gives what is not a number.
    """
    for around in read_around_nuclei(
        slide,
        table,
        classes,
        scale=scale,
        near_px=1,
        lost="nuclei have no class there",
        inner_px=inner_px,
        threads=threads,
    ):
        inside = around.is_inside
        if around.pixels is None:
            n = np.count_nonzero(inside)
            unknown = np.full((n, len(classes.attributes)), np.nan, np.float32)
            yield around.own() | name_classes(classes.attributes, unknown)
            continue
        found = classes.classify(around.pixels, around.x_px[inside], around.y_px[inside])
        yield around.own() | found
