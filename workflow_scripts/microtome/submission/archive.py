"""Archives that are the same bytes whenever and wherever they are made, and what a name may be."""

import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import atomic

# Masks are compressed already.
_STORED = (".tif", ".png")
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that ZIP knows
_UNIX, _PLAIN_FILE = 3, 0o100644 << 16


def write_archive(path: str | Path, files: Mapping[str, str | Path]) -> None:
    """Write a ZIP whose bytes depend on the names and contents of its files alone.

    Members are sorted, with one date and one set of permissions for all. TIFF and PNG are stored,
    anything else is deflated. Files are streamed; from about 2 GB on they are stored as ZIP64.

    `files` are by their names in the archive, with ``/`` between folders. InputError is raised if
    one is missing, ValueError if a name leads out of the folder that the archive is unpacked in.
    """
    for name in files:
        if not is_safe_name(name):
            raise ValueError(f"{name!r} is no name for a file in an archive")
        if not Path(files[name]).is_file():
            raise InputError(f"{files[name]}: is no file, so {path} cannot be made")
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(files):
            source = Path(files[name])
            member = zipfile.ZipInfo(name, _DATE)
            member.create_system, member.external_attr = _UNIX, _PLAIN_FILE
            is_stored = source.suffix.lower() in _STORED
            member.compress_type = zipfile.ZIP_STORED if is_stored else zipfile.ZIP_DEFLATED
            member.file_size = source.stat().st_size  # decides on ZIP64
            with source.open("rb") as file, archive.open(member, "w") as target:
                shutil.copyfileobj(file, target, 2**20)


def is_safe_name(name: str) -> bool:
    """Tell whether a member's name stays inside the folder it is unpacked in, on any system.

    Examples
    --------
    >>> [is_safe_name(name) for name in ("detections/a.csv", "../a.csv", "C:a.csv")]
    [True, False, False]
    """
    parts = name.split("/")
    return not re.search(r"[\\:\x00-\x1f\x7f]", name) and not {"", ".", ".."} & set(parts)
