"""The files of a submission, in a folder or in a ZIP that a stranger made."""

import errno
import shutil
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microtome.errors import InputError, one_line
from microtome.submission.archive import is_safe_name

_CHUNK_BYTES = 2**20


@contextmanager
def open_source(path: str | Path) -> Iterator["Source"]:
    """Open a folder or a ZIP; InputError if there is neither.

    Nothing of a ZIP is unpacked under its own name: a member that is wanted is copied to a
    temporary file, never more than is allowed for it.
    """
    path = Path(path)
    if path.is_dir():
        yield _Folder(path)
    elif path.is_file():
        with _name_damage("is neither a folder nor a ZIP that can be read ({})"):
            opened = zipfile.ZipFile(path)
        with opened as archive, tempfile.TemporaryDirectory() as folder:
            yield _Archive(archive, Path(folder) / "member")
    else:
        raise InputError("is not there; give the submission's folder or ZIP")


class _Folder:
    """The files of a folder.

    Attributes
    ----------
    faults : dict of str to str
        Every file's name, with ``/`` between folders -> why it cannot be used, empty if it can.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # A link to a folder is not followed: it may lead anywhere, and round.
        self.faults = {
            found.relative_to(path).as_posix(): "" if found.is_file() else "is no file"
            for found in path.rglob("*")
            if found.is_symlink() or not found.is_dir()
        }

    @contextmanager
    def open_local(self, name: str, *, max_bytes: int) -> Iterator[Path]:
        """Give a path to read a file without a fault from; InputError if it is too large."""
        path = self._path / name
        _require_small(path.stat().st_size, max_bytes)
        yield path


class _Archive:
    """The files of a ZIP, used as those of a `_Folder`."""

    def __init__(self, archive: zipfile.ZipFile, copy: Path) -> None:
        self._archive, self._copy = archive, copy
        members = archive.infolist()
        n_of_name = Counter(member.filename for member in members)
        self.faults = {
            member.filename: _member_fault(member)
            or ("is in it more than once" if n_of_name[member.filename] > 1 else "")
            for member in members
            if not _is_harmless_folder(member.filename)
        }

    @contextmanager
    def open_local(self, name: str, *, max_bytes: int) -> Iterator[Path]:
        """Copy a member; zipfile reads no more of it than the size it declares."""
        _require_small(self._archive.getinfo(name).file_size, max_bytes)
        with (
            self._copy.open("wb") as copy,
            _name_damage("is damaged ({}); pack it again"),
            self._archive.open(name) as member,
        ):
            shutil.copyfileobj(member, copy, _CHUNK_BYTES)
        yield self._copy


Source = _Folder | _Archive


@contextmanager
def _name_damage(words: str) -> Iterator[None]:
    """Turn whatever a stranger's bytes make zipfile and zlib raise into one line."""
    try:
        yield
    except MemoryError:  # the machine's trouble, not the file's
        raise
    except Exception as error:
        # A place in the file that cannot be is the file's trouble, and an OSError too.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise InputError(words.format(one_line(error))) from error


def _is_harmless_folder(name: str) -> bool:
    return name.endswith("/") and is_safe_name(name.removesuffix("/"))


def _member_fault(member: zipfile.ZipInfo) -> str:
    # zipfile itself cuts a name at its first NUL.
    if member.orig_filename != member.filename or not is_safe_name(member.filename):
        return "has a name that leads out of its folder or is no name everywhere; rename it"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link; pack the file itself"
    if member.flag_bits & 1:
        return "is encrypted; pack it without a password"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is neither stored nor deflated, as every program reads it; pack it again"
    return ""


def _require_small(n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise InputError(f"has {n_bytes} bytes, and needs no more than {max_bytes}")
