"""The files that a slide is."""

from itertools import islice
from pathlib import Path

# Of a folder of more files nobody wants to wait for the list; it holds more than a slide.
_MOST = 10_000


def list_files(path: str | Path) -> list[Path]:
    """List the files of a slide: of MIRAX those of the folder beside it too, of a folder all in it.

    Examples
    --------
    >>> list_files("a.svs")
    [PosixPath('a.svs')]
    """
    path = Path(path)
    folder = path.with_suffix("") if path.suffix.lower() == ".mrxs" else path
    named = [] if path.is_dir() else [path]
    return named + sorted(islice((file for file in folder.rglob("*") if file.is_file()), _MOST))
