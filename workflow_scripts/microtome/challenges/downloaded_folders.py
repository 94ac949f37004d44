"""The files of a folder that somebody downloaded."""

import os
from pathlib import Path

from microtome.errors import InputError


def files_below(folder: Path) -> list[Path]:
    """List files in the order of their names; a folder that links lead to again only once."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder")
    files: list[Path] = []
    seen = set()
    for name, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        real = Path(name).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(n for n in folders if not n.startswith("."))
        paths = (Path(name, n) for n in sorted(names) if not n.startswith("."))
        files += [path for path in paths if path.is_file()]
    return files


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error
