"""The sheet of labelled images: its rows, checked or not, as images."""

from pathlib import Path

from microtome.nucleus_images.image_rows import load_image_rows, read_image_rows
from microtome.nucleus_images.labelled_image import LabelledImage, make_image


def read_image_sheet(path: str | Path) -> list[LabelledImage]:
    r"""Read and check a sheet of labelled images; the files it names are not opened.

    The columns are those of `LabelledImage`, its name under ``image``; ``splits`` has a split for
    each repetition between commas, ``attributes`` their names between semicolons. Paths are
    relative to the working directory.

    Parameters
    ----------
    path : str or Path
        Tab-separated text, as `microtome.cohort.sheet_rows.read_rows` reads it.

    Raises
    ------
    InputError
        A line for each mistake: row and image, column, value and what to do.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path, sheet = Path(folder) / "a.png", Path(folder) / "images.tsv"
    ...     path.touch()
    ...     cells = f"a\t{path}\t0.5\t2\tlymphocyte;round"
    ...     _ = sheet.write_text(f"image\tpath\tspacing_um\tfold\tattributes\n{cells}\n")
    ...     (image,) = read_image_sheet(sheet)
    >>> image.name, image.fold, image.attributes
    ('a', 2, ('lymphocyte', 'round'))
    """
    return [make_image(row) for row in read_image_rows(path).values()]


def load_image_sheet(path: str | Path) -> list[LabelledImage]:
    """Read a sheet that `read_image_sheet` has accepted, without checks."""
    return [make_image(row) for row in load_image_rows(path).values()]
