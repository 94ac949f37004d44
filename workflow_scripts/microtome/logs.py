"""The log of a rule: what happened, in lines a person reads."""

import errno
import logging
import sys
from pathlib import Path
from types import TracebackType

from microtome.errors import InputError

_DISK_TROUBLE = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
    errno.ESTALE,
}

log = logging.getLogger("microtome")


def start_log(path: str | Path) -> None:
    """Send this process's messages, warnings and its last error to the file `path`.

    A mistake of the user's (`InputError`) and a disk that is full, broken or not ours to write end
    the job with one line; anything else is a fault of the program and keeps its traceback.
    """
    Path(path).write_text("")
    continue_log(path)
    sys.excepthook = _last_words


def continue_log(path: str | Path) -> None:
    """Add this process's messages to a log that was begun, by another process perhaps."""
    logging.basicConfig(
        filename=str(path),
        filemode="a",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        force=True,
    )
    # Libraries tell their own users of every file they open; here only their warnings matter.
    for name in ("tifffile", "PIL", "matplotlib", "fontTools"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _last_words(kind: type, error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, InputError) or getattr(error, "errno", None) in _DISK_TROUBLE:
        log.error("%s", " ".join(str(error).split()))
    else:
        log.critical("the program failed", exc_info=(kind, error, trace))
