"""The files of a submission that is to be scored, by their names in it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from microtome.errors import InputError, one_line
from microtome.submission.sources import Source, open_source

# The one folder whose name means something.
DETECTIONS = "detections"

_MAX_FILES = 10_000
_MAX_FILE_BYTES = 2**35


class SubmissionFiles:
    """Files by their names below a folder or in an archive.

    Attributes
    ----------
    path : Path
        The folder or archive.
    names : tuple of str
        Sorted, parted by slashes. A folder that holds all files is not part of them; what begins
        with a dot or lies in `__MACOSX` is not among them.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self.path = path
        self._source = source
        kept = sorted(name for name in source.faults if not _is_hidden(name))
        for name in kept:
            if fault := source.faults[name]:
                raise InputError(f"{self.describe(one_line(name))}: {fault}")
        if len(kept) > _MAX_FILES:
            raise InputError(f"{path}: holds {len(kept)} files; at most {_MAX_FILES} are read")
        # Archives often have a folder around everything.
        tops = {name.partition("/")[0] for name in kept}
        is_wrapped = len(tops) == 1 and all("/" in name for name in kept) and tops != {DETECTIONS}
        top = f"{tops.pop()}/" if is_wrapped else ""
        self._stored = {name.removeprefix(top): name for name in kept}
        self.names = tuple(sorted(self._stored))

    def describe(self, name: str) -> str:
        """Name a file for a message."""
        return f"{self.path}/{name}"

    @contextmanager
    def open_file(self, name: str) -> Iterator[Path]:
        """Give a path from which one of `names` can be read, within a block.

        What is wrong with the file is said of the file in the archive, not of a copy.
        """
        with ExitStack() as stack:
            local = self._source.open_local(self._stored[name], max_bytes=_MAX_FILE_BYTES)
            try:
                path = stack.enter_context(local)
            except InputError as error:
                raise InputError(f"{self.describe(name)}: {error}") from error
            try:
                yield path
            except InputError as error:
                raise InputError(str(error).replace(str(path), self.describe(name))) from error


@contextmanager
def open_submission(path: str | Path) -> Iterator[SubmissionFiles]:
    """Open the folder or the ZIP of a submission.

    Of a ZIP one file at a time is unpacked, under a name of its own. InputError is raised if there
    is neither; or the archive is damaged, encrypted, holds too much or too many files, or names a
    file twice or one outside itself.
    """
    path = Path(path)
    with ExitStack() as stack:
        try:
            source = stack.enter_context(open_source(path))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        yield SubmissionFiles(path, source)


def _is_hidden(name: str) -> bool:
    parts = set(name.split("/")) - {".", ".."}
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts)
