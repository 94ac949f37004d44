"""What a model says of labelled images: one file of all its images."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from microtome.io.atomic import atomic

_AN_ARRAY = ".npy"
# Of the files in it; the time would make other bytes of the same arrays.
_DATE = (1980, 1, 1, 0, 0, 0)


class Predictions(Mapping):
    """Arrays of each image, by its id, read when they are asked for.

    What the arrays are depends on the kind of model: ``x_um``, ``y_um`` (float64, from the image's
    upper left corner) and ``confidence`` (float32) of everything found, (n,); ``probability`` of
    each attribute, (n_attributes,), float32; or ``mask`` of nuclei, (height, width), bool, at the
    model's spacing.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = np.load(path, allow_pickle=False)
        self._keys: dict[str, list[str]] = {}
        for key in self._file.files:
            image, _, name = key.partition("/")
            self._keys.setdefault(image, []).append(name)

    def __getitem__(self, image: str) -> dict[str, np.ndarray]:
        """Read the arrays of one image, by name."""
        return {name: self._file[f"{image}/{name}"] for name in self._keys[image]}

    def __iter__(self) -> Iterator[str]:
        """Go over the ids of the images, in the order in which they were written."""
        return iter(self._keys)

    def __len__(self) -> int:
        """Count the images."""
        return len(self._keys)


class PredictionWriter:
    """What `write_predictions` gives."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._images: set[str] = set()

    def add(self, image: str, **arrays: np.ndarray) -> None:
        """Write the arrays of one image; they are named as `Predictions` says."""
        if image in self._images:
            raise ValueError(f"image {image} was written before")
        self._images.add(image)
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{image}/{name}{_AN_ARRAY}", date_time=_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with self._archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


@contextmanager
def write_predictions(path: str | Path) -> Iterator[PredictionWriter]:
    """Write the predictions of a model, image by image, as NPZ; whole or not at all.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "unet.npz"
    ...     with write_predictions(path) as file:
    ...         file.add("a", mask=np.array([[True, False]]))
    ...     predictions = read_predictions(path)
    ...     list(predictions), predictions["a"]["mask"]
    (['a'], array([[ True, False]]))
    """
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        yield PredictionWriter(archive)


def read_predictions(path: str | Path) -> Predictions:
    """Read what `write_predictions` wrote."""
    return Predictions(path)
