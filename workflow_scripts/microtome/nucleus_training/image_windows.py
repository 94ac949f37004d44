"""Windows of labelled images, and what is true of each, to learn from."""

import hashlib
from collections.abc import Sequence

import numpy as np

from microtome.errors import InputError
from microtome.logs import log
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.training.batches import Patches
from microtome.training.random_placement import STILL, Move, Moves

# Usually the distance within which a detection is right: 6 px at 0.5 µm per px.
TRUTH_RADIUS_UM = 3.0


class ImageWindows(Patches):
    """Windows of several labelled images; see `Patches`."""

    def summary(self) -> dict:
        """What there is to learn from: images, and number of windows."""
        return {"images": self.slides, "windows": len(self)}


def open_image_windows(
    images: Sequence[LabelledImage],
    entry: dict,
    *,
    workers: int,
    labels_percent: float = 100.0,
    stride_px: int | None = None,
    moves: Moves | None = None,
) -> ImageWindows:
    """Read labelled images and lay windows over them; images and truths are held in memory.

    Parameters
    ----------
    images : sequence of LabelledImage
    entry : dict
        Of a detector, whose truth is a map of 0 and 1 with a location for `reduction` px: whether
        the point of a nucleus is in it, or within ``truth_radius_um`` of its middle; of a
        segmenter: whether a px is of a nucleus; or of a classifier: which of its `attributes` the
        image has. It has one window an image, in the middle; an image that is smaller goes on as
        its mirror image.
    workers : int
        Threads that make batches.
    labels_percent : float
        Keep so many of all windows, drawn from the entry's seed.
    stride_px : int, optional
        Between windows; their side if unset. The last one of a row ends where the image does.
    moves : Moves, optional
        How far windows are moved, as far as the image goes.

    Raises
    ------
    InputError
        If an image has not got what is to be learnt, is too small, or there is nothing of it at
        all.
    """
    sources = [_ImageWindows(image, entry, stride_px) for image in images]
    if labels_percent < 100:
        _keep_some(sources, labels_percent, seed=entry["seed"])
    truths = [source.truth for source in sources]
    return ImageWindows(sources, labelled=False, workers=workers, truths=truths, moves=moves)


def require_positives(name: str, entry: dict, images: Sequence[LabelledImage]) -> None:
    """Raise InputError if an attribute of a classifier is at no training image, or at all.

    `name` is the entry's. Other kinds have no attributes.
    """
    for attribute in entry.get("attributes", ()):
        n = sum(attribute in (image.attributes or ()) for image in images)
        if n in (0, len(images)):
            raise InputError(
                f"models.{name}.attributes: {attribute} is at {n} of {len(images)} training images;"
                " both with and without are needed: see the column attributes of the image sheet"
            )


def _keep_some(sources: Sequence["_ImageWindows"], percent: float, *, seed: int) -> None:
    """Keep a share of the windows of all images together, one at least."""
    counts = [len(source.label) for source in sources]
    n = max(1, round(sum(counts) * percent / 100))
    chosen = np.zeros(sum(counts), bool)
    chosen[np.random.default_rng([seed, sum(counts)]).permutation(sum(counts))[:n]] = True
    parts = np.split(chosen, np.cumsum(counts)[:-1]) if counts else []
    for source, keep in zip(sources, parts, strict=True):
        source.keep(keep)
    log.info("%d of %d windows are learnt from", n, sum(counts))


def window_starts(side_px: int, *, window_px: int, stride_px: int) -> np.ndarray:
    """Where windows begin along a side: one every stride, and one that ends with the side.

    Examples
    --------
    >>> window_starts(250, window_px=100, stride_px=60)
    array([  0,  60, 120, 150])
    """
    last = side_px - window_px
    return np.unique(np.append(np.arange(0, last + 1, stride_px), last))


class _ImageWindows:
    """The windows of one image."""

    def __init__(self, image: LabelledImage, entry: dict, stride_px: int | None) -> None:
        self.slide = image.name  # what `Patches` calls that which windows are of
        self._side = side = entry["patch_px"]
        self._pixels = image.read_pixels(entry["spacing_um"])
        height, width = self._pixels.shape[:2]
        if entry["kind"] == "nucleus_classifier":
            self._pixels = _enlarge(self._pixels, side)
            height, width = self._pixels.shape[:2]
            rows, columns = [(height - side) // 2], [(width - side) // 2]
        elif min(height, width) < side:
            raise InputError(
                f"{image.about}: has {width} x {height} px at {entry['spacing_um']:g} µm/px, and a"
                f" window has {side}; leave the image out, or lower patch_px"
            )
        else:
            stride = {"window_px": side, "stride_px": stride_px or side}
            rows, columns = (window_starts(size, **stride) for size in (height, width))
        self._starts = np.array([(r, c) for r in rows for c in columns], np.int32)
        self.shape = (1, side, side, 3)
        self.truth = _TRUTHS[entry["kind"]](image, entry, self)

    @property
    def label(self) -> np.ndarray:
        """A label for each window, -1: what is true of it is `truth`."""
        return np.full(len(self._starts), -1, np.int8)

    def keep(self, chosen: np.ndarray) -> None:
        """Keep some windows, by a bool mask."""
        self._starts = self._starts[chosen]

    def corner(self, row: int, move: Move) -> tuple[int, int]:
        """Row and column of the image at which a window begins, moved as far as the image goes."""
        top, left = self._starts[row]
        height, width = self._pixels.shape[:2]
        return (
            int(np.clip(top + move.y_px, 0, height - self._side)),
            int(np.clip(left + move.x_px, 0, width - self._side)),
        )

    def identity(self) -> str:
        """Which windows these are: changes with pixels, places and truth."""
        content = hashlib.sha256(self._pixels.tobytes() + self._starts.tobytes())
        content.update(self.truth.values.tobytes())
        return f"{self.slide} {content.hexdigest()}"

    def read(self, row: int, out: np.ndarray, move: Move = STILL) -> None:
        """Copy a window into `out`, (1, side, side, 3), uint8."""
        top, left = self.corner(row, move)
        out[0] = self._pixels[top : top + self._side, left : left + self._side]


def _enlarge(pixels: np.ndarray, side: int) -> np.ndarray:
    """Let an image go on as its mirror image until it holds a window."""
    missing = [max(0, side - size) for size in pixels.shape[:2]]
    around = [(m // 2, m - m // 2) for m in missing]
    return np.pad(pixels, (*around, (0, 0)), mode="symmetric")


class _DetectionTruth:
    """Where a nucleus is near: 1 at each location that holds a point or whose middle is near one.

    The paper says that it is binary, not how far a nucleus reaches.
    """

    def __init__(self, image: LabelledImage, entry: dict, windows: _ImageWindows) -> None:
        self._windows, self._reduction = windows, entry["reduction"]
        side = entry["patch_px"] // self._reduction
        self.shape = (side, side)
        # Row and column of each point, in px.
        self.values = image.read_points()[:, ::-1] / entry["spacing_um"]
        radius_um = entry.get("truth_radius_um", TRUTH_RADIUS_UM)
        self._radius = radius_um / entry["spacing_um"] / self._reduction

    def read(self, row: int, out: np.ndarray, move: Move = STILL) -> None:
        places = (self.values - self._windows.corner(row, move)) / self._reduction
        down, right = (
            np.square(np.arange(side)[:, None] + 0.5 - axis)
            for side, axis in zip(out.shape, places.T, strict=True)
        )
        out[...] = (down[:, None] + right <= self._radius**2).any(axis=2)
        inside = ((places >= 0) & (places < out.shape)).all(axis=1)
        out[tuple(np.floor(places[inside]).astype(np.int64).T)] = 1


class _MaskTruth:
    """Which px are of a nucleus."""

    def __init__(self, image: LabelledImage, entry: dict, windows: _ImageWindows) -> None:
        self._windows = windows
        self.shape = (entry["patch_px"],) * 2
        self.values = image.read_labels(entry["spacing_um"]) > 0

    def read(self, row: int, out: np.ndarray, move: Move = STILL) -> None:
        top, left = self._windows.corner(row, move)
        out[...] = self.values[top : top + out.shape[0], left : left + out.shape[1]]


class _AttributeTruth:
    """Which attributes the nucleus in the middle has; they are those of the image wherever."""

    def __init__(self, image: LabelledImage, entry: dict, _: _ImageWindows) -> None:
        if image.attributes is None:
            raise InputError(
                "the image sheet has no column attributes, which classifiers learn; add it, empty"
                " where a nucleus has none"
            )
        has = [attribute in image.attributes for attribute in entry["attributes"]]
        self.values = np.array(has, np.uint8)
        self.shape = self.values.shape

    def read(self, row: int, out: np.ndarray, *_: Move) -> None:
        out[...] = self.values


_TRUTHS = {
    "nucleus_detector": _DetectionTruth,
    "nucleus_segmenter": _MaskTruth,
    "nucleus_classifier": _AttributeTruth,
}
