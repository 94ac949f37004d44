"""Files that are either complete or absent."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path` and rename it to `path` if the block ends without error.

    A job that is killed, or a full disk, leaves `path` as it was: no reader ever sees half a
    file. Works for folders (Zarr stores) too. The temporary name has the same folder, which is
    created if it is missing, and the same suffix.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("done")
    ...     (Path(folder) / "a.txt").read_text()
    'done'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A fixed name per output: what a killed job left is overwritten by the next job.
    temporary = path.with_name(f".partial-{path.name}")
    _remove(temporary)
    try:
        yield temporary
        _flush(temporary)
        if path.is_dir() and temporary.exists():  # unlike a file, a folder cannot be replaced
            shutil.rmtree(path)
        temporary.replace(path)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # the error of a full disk does not name the file
        raise


def write_json(path: str | Path, content: dict) -> None:
    """Write `content` as indented JSON, keys in the order given."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> dict:
    """Read a JSON file that `write_json` wrote.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile(suffix=".json") as file:
    ...     write_json(file.name, {"spacing_um": 0.5})
    ...     read_json(file.name)
    {'spacing_um': 0.5}
    """
    return json.loads(Path(path).read_text())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Flush data to the disk, so that a write error is raised here and not after the rename."""
    for name in path.rglob("*") if path.is_dir() else [path]:
        if name.is_file():
            with name.open("rb") as file:
                os.fsync(file.fileno())
