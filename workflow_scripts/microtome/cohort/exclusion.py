"""Steps of one slide that may exclude it: a bad slide is recorded and never stops the run.

The checks themselves are where a step raises InputError: `slides`, `tissue`, `truth`, `patches`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import read_json, write_json
from microtome.io.given_files import note_file
from microtome.logs import log


def run_stage(
    work: Callable[..., dict],
    *,
    status: str | Path,
    before: Iterable[str | Path] = (),
    outputs: Iterable[str | Path] = (),
    given: Iterable[str] = (),
    **arguments: object,
) -> None:
    """Do one step for one slide and write its status.

    If an earlier step excluded the slide, nothing is done. If `work` raises InputError, the slide
    is excluded with that reason. In both cases the other outputs become empty files, which nothing
    reads, because later steps leave the slide out.

    Parameters
    ----------
    work : callable
        ``work(**arguments)`` writes `outputs` and returns what to add to the status.
    status : str or Path
        JSON to write: ``state`` ('ok' or 'excluded'), ``reason`` and all that `work` returned.
    before : iterable of str or Path
        Statuses of the earlier steps.
    given : iterable of str
        Files that a person may replace. What they are is noted in the status, as ``given``.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> def find_tissue(name: str) -> dict:
    ...     raise InputError(f"slide {name}: no tissue found")
    >>> with NamedTemporaryFile(suffix=".json") as file:
    ...     run_stage(find_tissue, status=file.name, name="a")
    ...     read_json(file.name)
    {'state': 'excluded', 'reason': 'slide a: no tissue found'}
    """
    reason = find_reason(before)
    found: dict = {}
    noted = {path: note_file(path) for path in given}  # before they are read
    if not reason:
        try:
            found = work(**arguments)
        except InputError as error:
            reason = str(error)
            log.warning("%s", reason)
    if reason:
        for path in outputs:
            Path(path).unlink(missing_ok=True)
            Path(path).touch()
    state = {"state": "excluded" if reason else "ok", "reason": reason}
    write_json(status, {**state, **found, **({"given": noted} if noted else {})})


def find_reason(statuses: Iterable[str | Path]) -> str:
    """First reason to exclude a slide, of its statuses in the order of the steps; else ''."""
    return next((s["reason"] for s in map(read_json, statuses) if s["state"] != "ok"), "")
