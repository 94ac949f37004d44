"""What is wrong with the files of labelled images: all of them opened, all mistakes at once."""

from collections.abc import Iterable, Iterator

from microtome.cohort.mistakes import refuse
from microtome.errors import InputError
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.point_tables import find_outside


def check_images(images: Iterable[LabelledImage], *, of: str) -> None:
    """Open every file of the images; raise InputError with a line for each mistake.

    Beside what `LabelledImage` says when it reads, these are points outside their image and labels
    of another size. `of` is what the images are in, as ``image sheet images.tsv``.
    """
    refuse([mistake for image in images for mistake in _find_mistakes(image)], of=of)


def _find_mistakes(image: LabelledImage) -> Iterator[str]:
    pixels = points = labels = None
    try:
        pixels = image.read_pixels()
    except InputError as error:
        yield str(error)
    try:
        labels = image.read_labels() if image.labels else None
    except InputError as error:
        yield str(error)
    try:
        points = image.read_points() / image.spacing_um if image.nuclei else None
    except InputError as error:
        yield str(error)
    if pixels is None:
        return
    height, width, _ = pixels.shape
    if points is not None and (outside := find_outside(points, pixels.shape)).any():
        x, y = points[outside][0]
        yield (
            f"{image.about}: {image.nuclei} has {outside.sum()} points outside the image of"
            f" {width} x {height} px, the first at ({x:g}, {y:g}); they are px, x before y, of"
            f" {image.path}"
        )
    if labels is not None and labels.shape != (height, width):
        yield (
            f"{image.about}: {image.labels} has {labels.shape[1]} x {labels.shape[0]} px, the image"
            f" {width} x {height}; give the labels of {image.path}, px by px"
        )
