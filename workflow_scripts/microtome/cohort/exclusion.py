"""The steps that can exclude a slide: a bad one is noted, never fatal, never lost."""

from collections.abc import Callable, Iterable
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import read_json, write_json
from microtome.logs import log


def run_stage(
    work: Callable[..., dict],
    *,
    status: str | Path,
    before: Iterable[str | Path] = (),
    outputs: Iterable[str | Path] = (),
    **arguments: object,
) -> None:
    """Do one step for one slide and write how it went.

    A slide that an earlier step excluded is passed on as it is. Where `work` raises InputError
    the slide is excluded with that reason. In both cases the other outputs are left as empty
    files, which nothing reads: the cohort table leaves the slide out from here on.

    Parameters
    ----------
    work : callable
        ``work(**arguments)`` writes `outputs` and returns what to add to the status.
    status : str or Path
        JSON to write: ``state`` ('ok' or 'excluded'), ``reason``, and what `work` returned.
    before : iterable of str or Path
        Statuses of the earlier steps.
    outputs : iterable of str or Path
        The files that `work` writes.
    """
    reason = first_reason(before)
    found: dict = {}
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
    write_json(status, {"state": "excluded" if reason else "ok", "reason": reason, **found})


def first_reason(statuses: Iterable[str | Path]) -> str:
    """Why a slide is excluded, from its statuses in the order of the steps; '' where it is not."""
    return next((s["reason"] for s in map(read_json, statuses) if s["state"] != "ok"), "")
