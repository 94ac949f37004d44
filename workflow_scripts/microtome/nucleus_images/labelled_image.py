"""One labelled image: what its row in the sheet names, read at a spacing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.nucleus_images.label_images import find_centroids, read_label_image
from microtome.nucleus_images.pixels import read_image, resample_pixels, scale_shape
from microtome.nucleus_images.point_tables import read_point_table
from microtome.nucleus_images.words import list_words
from microtome.rasters.resampling import resample


@dataclass(frozen=True)
class LabelledImage:
    r"""One image of the sheet; what it names is read by its methods.

    A px at row r and column c of any of these covers x from c to c + 1 and y from r to r + 1, times
    the spacing. What is not in the sheet is None.

    Attributes
    ----------
    name : str
        The image's id.
    path : Path
        Its file.
    spacing_um : float
        µm per px of the file.
    patient : str
        Whose images share split and fold.
    split : str
        'train', 'validation' or 'test'.
    fold : int
        The fold in which it is tested, from 1.
    splits : tuple of str
        Its split in each of several repetitions.
    nuclei, labels : Path
        Table of points, and image of instance labels.
    attributes : tuple of str
        Of the nucleus in its centre; empty if it has none of them.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     path, nuclei = Path(folder) / "a.png", Path(folder) / "a.csv"
    ...     Image.new("RGB", (40, 20), "plum").save(path)
    ...     _ = nuclei.write_text("x_px,y_px,class\n4.5,10,lymphocyte\n")
    ...     image = LabelledImage("a", path, 0.25, nuclei=nuclei)
    ...     pixels, points = image.read_pixels(0.5), image.read_points()
    ...     classes = image.read_classes()
    >>> pixels.shape, points, classes
    ((10, 20, 3), array([[1.125, 2.5  ]]), ['lymphocyte'])
    """

    name: str
    path: Path
    spacing_um: float
    patient: str | None = None
    split: str | None = None
    fold: int | None = None
    splits: tuple[str, ...] | None = None
    nuclei: Path | None = None
    labels: Path | None = None
    attributes: tuple[str, ...] | None = None

    @property
    def about(self) -> str:
        """What messages on it begin with."""
        return f"image {self.name}"

    def read_pixels(self, spacing_um: float | None = None) -> np.ndarray:
        """Read it at a spacing, else as it is: ndarray (height, width, 3), uint8.

        See `microtome.nucleus_images.pixels.resample_pixels`. Raises InputError if the file is no
        RGB image of 8 bits, or no H&E.
        """
        pixels = read_image(self.path, about=f"{self.about}: {self.path}")
        return resample_pixels(pixels, self._ratio(spacing_um))

    def read_points(self) -> np.ndarray:
        """Read the nuclei's points, x and y in µm from its upper left corner: (n, 2), float64.

        Without a table of points they are the labels' centroids. Raises InputError if it has
        neither.
        """
        return self._read_nuclei()[0] * self.spacing_um

    def read_classes(self) -> list[str]:
        """Read the class of each nucleus, in the order of `read_points`; '' where none is given."""
        return self._read_nuclei()[1]

    def read_labels(self, spacing_um: float | None = None) -> np.ndarray:
        """Read the instance labels at a spacing, else as they are: (height, width), int32.

        Each px has the label under its centre; 0 is no nucleus. The size is that of `read_pixels`.
        Raises InputError if there are none, or they are no labels.
        """
        if self.labels is None:
            raise InputError(f"{self.about}: has no labels in the image sheet; add their file")
        labels = read_label_image(self.labels, about=f"{self.about}: {self.labels}")
        ratio = self._ratio(spacing_um)
        return resample(labels, scale_shape(labels.shape, ratio), ratio=ratio)

    def _ratio(self, spacing_um: float | None) -> float:
        return 1.0 if spacing_um is None else spacing_um / self.spacing_um

    def _read_nuclei(self) -> tuple[np.ndarray, list[str]]:
        """Points in px and classes, from the table, else from the labels."""
        if self.nuclei is not None:
            return read_point_table(self.nuclei, about=f"{self.about}: {self.nuclei}")
        points = find_centroids(self.read_labels())
        return points, [""] * len(points)


def make_image(row: dict) -> LabelledImage:
    """Make an image of its row, as `microtome.nucleus_images.image_rows` reads it."""
    words = {
        column: tuple(list_words(row[column], separator))
        for column, separator in (("splits", ","), ("attributes", ";"))
        if column in row
    }
    return LabelledImage(
        name=row["image"],
        path=Path(row["path"]),
        spacing_um=row["spacing_um"],
        patient=row.get("patient"),
        split=row.get("split"),
        fold=row.get("fold"),
        **{column: Path(row[column]) for column in ("nuclei", "labels") if column in row},
        **words,
    )
