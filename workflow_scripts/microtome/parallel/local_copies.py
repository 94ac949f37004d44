"""Copies of slides on the node's own disk, for jobs that read whole slides."""

import errno
import os
import platform
import re
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from microtome.errors import InputError
from microtome.io.slide_files import list_files
from microtome.logs import log
from microtome.parallel.process_facts import started_at

# Vendors, as `inspect` names them, whose slides are one file each.
_ONE_FILE = {
    "aperio",
    "generic-tiff",
    "image",
    "leica",
    "philips",
    "sakura",
    "tiff",
    "trestle",
    "ventana",
    "zeiss",
}
_ROOM = 1.05  # free bytes asked for, per byte of the slide
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def copy_to_scratch(slides: Mapping[str, dict], *, folder: str | None) -> Iterator[dict[str, str]]:
    """Copy slides to a folder of this job alone, which is gone at the end, after SIGTERM too.

    What jobs left that were killed on this host is removed first. The host is in the folder's name,
    since what is meant to be a node's own disk may be one that all nodes share.

    Parameters
    ----------
    slides : mapping of str to dict
        What `inspect` found each slide to be, by its id.
    folder : str or None
        Where the job's folder is made; variables of the environment are filled in. None: nothing
        is copied.

    Yields
    ------
    dict of str to str
        The path of the copy by the slide's id. A slide that is not in it is read where it is, and
        the log says why.

    Raises
    ------
    InputError
        If a variable is not set, the folder cannot be made, or a slide changed while it was copied.
        In what is raised within the block, slides have the names that the user knows.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place:
    ...     slide = Path(place) / "scan.tif"
    ...     _ = slide.write_bytes(b"pixels")
    ...     info = {"path": str(slide), "vendor": "tiff"}
    ...     with copy_to_scratch({"a": info}, folder=f"{place}/scratch") as copies:
    ...         Path(copies["a"]).read_bytes()
    b'pixels'
    """
    if folder is None or not slides:
        yield {}
        return
    own = _make_own_folder(folder)
    with _remove_at_the_end(own):
        tried = {name: _copy(name, info, own / name) for name, info in slides.items()}
        copies = {name: str(copy) for name, copy in tried.items() if copy}
        try:
            yield copies
        except InputError as error:
            text = str(error)
            for name, copy in copies.items():
                text = text.replace(copy, slides[name]["path"])
            raise InputError(text) from error


def _make_own_folder(text: str) -> Path:
    """Make the folder of this job, once what others left is removed."""
    about, host = f"config: scratch_dir: {text}", platform.node()
    for name in re.findall(r"\$\{?(\w+)\}?", text):
        if not os.environ.get(name):
            raise InputError(
                f"{about}: the variable {name} is not set on {host}; set it, name another folder,"
                " or set scratch_dir: null"
            )
    parent = Path(os.path.expandvars(text))
    own = parent / f"microtome-{host}-{os.getpid()}-{started_at(os.getpid())}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(parent, host, own.name)
        own.mkdir(mode=0o700)  # slides are patients' data
    except OSError as error:
        raise InputError(
            f"{about}: the folder {own} cannot be made on {host} ({error.strerror}); name one that"
            " can be written to, or set scratch_dir: null"
        ) from error
    return own


def _remove_leftovers(parent: Path, host: str, own_name: str) -> None:
    pattern = re.compile(rf"microtome-{re.escape(host)}-(\d+)-(\d+)")
    for path in parent.iterdir():
        found = pattern.fullmatch(path.name)
        if not found:
            continue
        pid, start = map(int, found.groups())
        if path.name == own_name or started_at(pid) != start:
            # What is another user's, a link, or removed by another job just now, is left alone.
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _remove_at_the_end(folder: Path) -> Iterator[None]:
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:  # a forked child has this handler too
            shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # Only the main thread may ask for signals.
    handles = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, end) if handles else None
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handles:
            signal.signal(signal.SIGTERM, before)


def _copy(name: str, info: dict, place: Path) -> Path | None:
    """Copy a slide into a new folder; None: read it where it is."""
    source = Path(info["path"])
    files = _list_files(source, info["vendor"])
    if files is None:
        log.info("slide %s: %s is more than one file: it is read where it is", name, source)
        return None
    before = _read_states(files, name)
    n_bytes = sum(size for size, _ in before)
    folder, free = place.parent, shutil.disk_usage(place.parent).free
    if free < n_bytes * _ROOM:
        text = "slide %s: %s has %d bytes, but %s has only %d left: it is read where it is"
        log.warning(text, name, source, n_bytes, folder, free)
        return None
    copies = [place / path.relative_to(source.parent) for path in files]
    try:
        for path, copy in zip(files, copies, strict=True):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        if error.errno not in _FULL:
            raise
        log.warning("slide %s: %s became full: %s is read where it is", name, folder, source)
        return None
    sizes = [copy.stat().st_size for copy in copies]
    if _read_states(files, name) != before or sizes != [size for size, _ in before]:
        raise InputError(f"slide {name}: {source} has changed while it was copied; run again")
    log.info("slide %s: %d bytes copied to %s", name, n_bytes, place)
    return place / source.name


def _list_files(source: Path, vendor: str) -> list[Path] | None:
    """The files of a slide; None if they are not known."""
    if vendor == "mirax" or source.is_dir():
        return list_files(source)
    if vendor in _ONE_FILE or source.suffix.lower() == ".ndpi":
        return [source]
    return None


def _read_states(files: list[Path], name: str) -> list[tuple[int, int]]:
    try:
        return [(found.st_size, found.st_mtime_ns) for found in (path.stat() for path in files)]
    except OSError as error:
        raise InputError(
            f"slide {name}: {error.filename} is no longer there ({error.strerror})"
        ) from error
