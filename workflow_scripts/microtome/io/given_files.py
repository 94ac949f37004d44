"""Files that people give, and whether they still are those that a step has read.

A newer date alone does not tell: ``cp -p``, ``rsync -t`` and backups put files in place that are
older than what was made of the ones before.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

# Up to so many bytes the content decides, as `max-checksum-file-size` of the profile has it; of
# more a new date counts.
_READ_WHOLE_BYTES = 20_000_000
_HEADER_BYTES = 65536
# A folder with more files holds many slides in DICOM, not the levels of one.
_MOST_LEVELS = 100


def note_file(path: str | Path) -> dict[str, str]:
    """Note what a file is, with all that belongs to it: sizes and dates, and content.

    Of what is large only the headers are read.

    Returns
    -------
    dict of str to str
        ``state`` changes with any size or date, and with the metadata of a file; ``dated`` with
        sizes and dates; ``content``. The second and third of no file are those of nothing.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile() as file:
    ...     noted = note_file(file.name)
    ...     Path(file.name).touch()
    ...     identify(file.name, noted) == noted["state"]
    True
    """
    found = _find_files(Path(path))
    return {**_states(found), "content": _hash_content(found)}


def identify(path: str | Path, noted: Mapping[str, str] | None = None) -> str:
    """Return the state of a file: as noted while it is the same, else as it is.

    What is small is the same if its content is; what is large, if sizes, dates and headers are.
    Nothing is read unless a size, a date or metadata changed.
    """
    found = _find_files(Path(path))
    states = _states(found)
    if noted and states["state"] != noted["state"]:
        is_decided = _is_small(found) or states["dated"] == noted["dated"]
        if is_decided and _hash_content(found) == noted["content"]:
            return noted["state"]
    return states["state"]


def identify_unnoted(path: str | Path) -> str:
    """Return the content of a small file, and sizes and dates of a large one, as a hash."""
    found = _find_files(Path(path))
    return _hash_content(found) if _is_small(found) else _states(found)["dated"]


def _find_files(path: Path) -> dict[Path, os.stat_result]:
    """Look at a file, and at all that some formats keep beside the one that is named."""
    suffix = path.suffix.lower()
    beside: Iterable[Path] = ()
    if suffix == ".mrxs":
        beside = path.with_suffix("").rglob("*")
    elif suffix == ".vsi":
        beside = path.with_name(f"_{path.stem}_").rglob("*")
    elif path.is_dir():
        beside = path.rglob("*")
    elif suffix in (".vms", ".vmu"):  # the names of its images begin with its own
        beside = (one for one in path.parent.iterdir() if one.name.startswith(path.stem))
    elif suffix in ("", ".dcm"):
        levels = (one for one in path.parent.iterdir() if one.suffix == path.suffix)
        few = list(islice(levels, _MOST_LEVELS + 1))
        beside = few if len(few) <= _MOST_LEVELS else ()
    found = {one: _look_at(one) for one in sorted({path, *beside})}
    return {one: state for one, state in found.items() if state}


def _look_at(path: Path) -> os.stat_result | None:
    """Size and dates of a file; None for a folder, what is no regular file, or not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _is_small(found: Mapping[Path, os.stat_result]) -> bool:
    return sum(one.st_size for one in found.values()) <= _READ_WHOLE_BYTES


def _states(found: Mapping[Path, os.stat_result]) -> dict[str, str]:
    dated = [(one.st_size, one.st_mtime_ns) for one in found.values()]
    metadata = [one.st_ctime_ns for one in found.values()]
    return {"state": _hash([dated, metadata]), "dated": _hash(dated)}


def _hash_content(found: Mapping[Path, os.stat_result]) -> str:
    n_bytes = _READ_WHOLE_BYTES if _is_small(found) else _HEADER_BYTES
    hashes = []
    for path in found:
        try:
            with path.open("rb") as file:
                hashes.append(hashlib.sha256(file.read(n_bytes)).hexdigest())
        except OSError:  # the step that reads it says so
            hashes.append("")
    return _hash(hashes)


def _hash(values: list) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]
